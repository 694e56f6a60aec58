// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package floor

import (
	"net"

	"github.com/plexus-ipc/plexus/bench/compare/internal/lab"
)

var schemes = []string{"unix", "tcp"}

func connectRing(lab.Job, string, byte) (net.Conn, link, error) { return nil, nil, lab.ErrCannot }

func acceptRing(net.Conn) (net.Conn, link, byte, error) { return nil, nil, 0, lab.ErrCannot }

func lend(link, int) (*lab.Client, error) { return nil, lab.ErrCannot }

func readLoans(link) {}
