// SPDX-License-Identifier: Apache-2.0

// package size: a file per verb, and the verbs have the command line in common.

// Command plexus is the daemon of Plexus and its tool on the command line: "plexus help"
// says what it can do, "plexus demo" shows it.
package main

import "os"

func main() {
	os.Exit(newApp(os.Stdin, os.Stdout, os.Stderr, os.LookupEnv).run(os.Args[1:]))
}
