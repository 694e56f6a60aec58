// SPDX-License-Identifier: Apache-2.0

// Package session turns one transport.Conn into an authenticated conversation of many
// calls, streams, events and publications at a time, in both directions. It is the only
// package that puts wire bytes on a Conn. It knows methods and topics only as routes, and
// nothing of hubs.
//
// Dial and Accept shake hands; then one goroutine reads. Where to read on:
//
//	handshake.go  preface, HELLO, AUTH, UPGRADE
//	role.go       who reads, and how the role is moved on     keeper.go  who sees to it
//	outbox.go     what waits to leave, and who writes it      flusher.go  … if it must wait
//	route.go      outbound routes      emit.go  events and publications
//	calls.go      the calls begun here     call.go  those that somebody waits for
//	dispatch.go   inbound frames   inbound.go, serve.go  the peer's routes and calls
//	stream.go     streams          item.go  what they bring     assemble.go  messages in several frames
//	context.go    handlers' contexts   ping.go  PING and PONG   source.go  who sent it
//	heart.go      heartbeats     timeout.go  other time limits, lateness.go that of the handshake
//	agenda.go     the one timer for them
//
// Errors are *status.Error values throughout.
//
// package size: one state machine whose parts share the session's locks; a cut would
// export its insides.
package session
