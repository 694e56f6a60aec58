// SPDX-License-Identifier: Apache-2.0

// Package ws is the transport for ws and wss addresses: frames inside the binary messages of
// WebSocket (RFC 6455), for programs that only HTTP leads to: in a browser, behind a proxy.
//
//	driver, err := ws.New(socket.TCP(), ws.Config{Origins: []string{"https://app.example"}})
//	set := plexusSet.With(driver)
//
// A message holds one or more whole frames, at most MaxMessage bytes in all. The subprotocol
// is "plexus.v1", and both sides insist on it. Nothing is compressed. wss takes its
// certificates from transport.Options.TLS, as tls does.
//
// # Who is let in
//
// A listener answers at its path and nowhere else. A request with an Origin header comes from
// a web page and is refused unless Config.Origins lists that origin. The Host header must name
// the listener: its own host, a loopback name, the address that was connected to, or one of
// Config.Hosts; so a name that was bent to this machine (DNS rebinding) leads nowhere. Cookies
// are not looked at. Neither check proves anything about a program that is no browser: who may
// do what is the business of secrets, tokens and certificates above.
//
// # Limits
//
// A connection has Config.UpgradeTimeout for TLS and its HTTP request of at most 8 KiB of header;
// at most Config.MaxPending of them wait for that, and as many for Accept. What comes beyond is closed at once
// and counted (Transport.Refusals). A message costs memory as its bytes arrive, not as they are
// announced, and at most five of them lie here unread. A connection that ends without a close
// frame ends with io.ErrUnexpectedEOF.
package ws
