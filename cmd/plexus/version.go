// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/fd"
	"github.com/plexus-ipc/plexus/transport/mem"
	"github.com/plexus-ipc/plexus/transport/shm"
	"github.com/plexus-ipc/plexus/transport/socket"
	"github.com/plexus-ipc/plexus/transport/stdio"
)

func (a *app) version() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		RunE: a.verb(0, func(context.Context, []string) error {
			v := map[string]any{
				"version": programVersion(), "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH, "schemes": schemes(),
			}
			return a.formatter().object(v, func(w io.Writer) {
				fmt.Fprintf(w, "plexus %s (%s, %s/%s)\n", programVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
				fmt.Fprintln(w, "schemes:", strings.Join(schemes(), " "))
			})
		}),
	}
}

// programVersion is the version that the program was built as.
func programVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}

// schemes lists what the standard set can dial and listen to.
func schemes() []string {
	return transport.NewSet(socket.New(), shm.New(socket.Unix(), nil), mem.New(), stdio.NewTransport(), fd.New(fd.Adopter{})).Schemes()
}
