// SPDX-License-Identifier: Apache-2.0

// Package stdio carries frames over a pair of byte streams: over this process's own
// standard input and output (the endpoint stdio:), over those of a child process
// (Command), or over any reader and writer (New).
//
// # Stray prints
//
// A Conn on the process's own standard input and output takes both away from the rest of
// the program: descriptor 1 then leads to standard error and descriptor 0 to the null
// device (on Windows: os.Stdout, os.Stdin and the standard handles), so that neither a
// print, nor C code, nor a child process can break the protocol or steal from it. Do
// this early in main, before goroutines print. It is refused if standard output and
// standard error are the same pipe, because then nothing can be kept apart.
//
// Closing the Conn ends the protocol for good: the peer sees io.EOF, and the descriptors
// stay where they lead now, because whatever is printed later must not reach the peer as
// if it were frames. Only a Listener that is closed before its Accept gives them back.
//
// # Abilities
//
// Ready and Interrupt. There is no TrySend. Pipes and sockets that support deadlines are
// read directly; any other reader, such as a terminal or a Windows pipe, is read by a
// goroutine that lives until its last Read returns, which Close may not be able to cause.
package stdio
