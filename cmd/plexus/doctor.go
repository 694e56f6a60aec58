// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/plexus-ipc/plexus/cmd/plexus/internal/doctor"
)

const doctorHelp = `Look at what this machine allows, as far as it matters here: descriptors, socket buffers,
backlog, shared memory and what it needs, cores and limits of a container, clock, the
folder of names and the sockets in it.

  plexus doctor             # what there is, and what could be better
  plexus doctor --explain   # what each means, and the command that changes it

Nothing is changed or removed: the commands are for you. The exit code is 0, also if
something could be better, and 1 if there is a problem: something does not work. With
--output json it is {"machine":{…},"checks":[{"name","value","verdict","meaning","command"}],"problems":0,…}.`

func (a *app) doctor() *cobra.Command {
	var explain bool
	cmd := &cobra.Command{
		Use: "doctor", Short: "Look at the limits of this machine", Long: doctorHelp, Args: cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: a.verb(0, func(context.Context, []string) error {
			r := doctor.Examine(doctor.This(), programVersion())
			err := r.Print(a.out, a.output == outputJSON, explain)
			if err == nil {
				err = r.Err()
			}
			return err
		}),
	}
	cmd.Flags().BoolVar(&explain, "explain", false, "tell of everything what it means and what changes it")
	return cmd
}
