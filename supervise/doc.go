// SPDX-License-Identifier: Apache-2.0

// Package supervise starts child processes and looks after them: it hands each an endpoint,
// waits until it is ready, reads what it prints, notices its end at once, ends it when it
// shall end, and starts it again when it failed.
//
//	child, err := supervise.Start(ctx, &supervise.Config{Argv: []string{"./worker"}})
//	answer, err := plexus.Call[string](ctx, child.Peer(), "greet", "world")
//	err = child.Stop(ctx)
//
// and in the worker
//
//	parent, err := supervise.Connect(ctx, nil)
//	plexus.Handle(parent.Client(), "greet", greet)
//	err = parent.Ready()
//	<-parent.Done()
//
// # What is handed over
//
// A connected socket by its descriptor (FD), standard input and output (Stdio), or the
// address of a socket in the child's own directory: in the environment (Env), as an argument
// (Args), or as the arguments that Dapper's launchers know (Dapper). Frames never travel on
// the child's standard output, with Stdio not either once the child has connected: what
// it prints, from wherever, is read line by line and told to Config.Output or the log.
//
//	PLEXUS_ENDPOINT   the address: fd://3, stdio:, shm:///…, unix:///…
//	PLEXUS_ADDRESS    the same with Env, for the verbs of plexus
//	PLEXUS_LIFELINE   the number of a descriptor: see below
//	PLEXUS_CHILD_DIR  a directory for this child alone (0700), which is removed after it
//
// # Lifeline
//
// Except on Windows every child inherits one end of a socket pair. Its end of file means:
// shut down, whether the parent asks for it or has died. In the other direction the child
// writes lines: "here" (I watch the lifeline: ask me before you signal), "ready", or "ready"
// and an address at which the child itself listens. A shell script can do that, too:
// echo ready >&$PLEXUS_LIFELINE
//
// # Ends
//
// A child is the leader of its own process group. Stop asks it by the lifeline if it
// watches that, sends SIGTERM to the group, and in the end SIGKILL. When the child has
// ended, however it did, what is left of its group is killed, so that it leaves no
// grandchildren behind; only then is it waited for, so that no foreign process is ever hit
// (on Linux; elsewhere, there is an instant in between). When the parent is killed, the kernel
// kills the child (Linux), the job does (Windows), or the lifeline ends (macOS); with
// Config.Keeper a small process per child also kills its grandchildren then and removes
// its directory. Directories of parents that were killed are removed by whoever
// starts a child next.
package supervise
