// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package shm_test

import (
	"errors"
	"testing"

	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/transport/shm"
	"github.com/plexus-ipc/plexus/transport/socket"
)

func TestMain(m *testing.M) { leak.Main(m) }

// Whoever insists on shared memory is told that it is not here.
func TestNotHere(t *testing.T) {
	ep, err := endpoint.Parse("shm:///tmp/plexus-nowhere")
	if err != nil {
		t.Fatal(err)
	}
	d := shm.New(socket.Unix(), nil)
	if _, err := d.Dial(t.Context(), ep, nil); !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
	if _, err := d.Listen(t.Context(), ep, nil); !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
}
