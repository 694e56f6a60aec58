// SPDX-License-Identifier: Apache-2.0

// Command peers is the other systems of the comparison that are written in Go, or talked
// to from Go: one file each, one program for all of their processes. bench/compare builds
// and starts it.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"github.com/plexus-ipc/plexus/bench/compare/internal/lab"
)

func main() {
	lab.Main([]lab.System{
		grpcGo(), ttrpcGo(), drpcGo(), connectGo(), yamuxGo(), shmipcGo(),
		natsGo(), dbusDaemon(), mosquitto(), redisServer(),
	})
}

// cannot are the reasons of a system that only copies, and more of them, in pairs.
func cannot(more ...string) map[string]string {
	all := map[string]string{lab.Loans: "it has no shared memory"}
	for i := 0; i < len(more); i += 2 {
		all[more[i]] = more[i+1]
	}
	return all
}

// configuration is the file of a broker's configuration, in the folder that each run has
// for itself.
const configuration = "broker.conf"

// become makes this process a broker of other authors with a configuration. Its clients
// try until it answers.
func become(config string, command ...string) error {
	if err := os.WriteFile(configuration, []byte(config), 0o600); err != nil {
		return err
	}
	at, err := exec.LookPath(command[0])
	if err != nil {
		return err
	}
	fmt.Println("ready")
	return syscall.Exec(at, command, os.Environ())
}
