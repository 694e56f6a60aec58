// SPDX-License-Identifier: Apache-2.0

// Package daemon makes a running hub of a configuration: hub, listeners, limits, secrets,
// and the order in which they start and stop. "plexus serve" is this package and flags;
// other programs use it like this:
//
//	d, err := daemon.New(daemon.Config{Listen: []string{"plexus"}})
//	if err != nil { … }
//	go func() { <-d.Ready(); fmt.Println(d.Endpoints()) }()
//	err = d.Run(ctx) // until ctx ends, or a member stops the hub where that is allowed
//
// # Start and stop
//
// Run binds the addresses in their order; if one of them fails, those before are closed
// again and Run returns the reason. Then Ready is closed.
//
// At the end the hub first refuses new members and calls, ends subscriptions, and lets the
// calls that are under way end, for DrainTimeout; only then the listeners are closed, so
// that who comes meanwhile is told that the hub is shutting down. Abort cuts this short.
// Report tells what was cut.
//
// Nothing here reads the environment, catches signals or is global.
package daemon
