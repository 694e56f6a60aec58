// SPDX-License-Identifier: Apache-2.0

package session

import "context"

// Begin runs a call on a goroutine of its own, for an Invoker that does more than to send a
// request and has to wait for what it does. f is given a context that ends with ctx and by
// Pending.Cancel, must return soon after that, and owns what it refers to. The goroutine ends
// with the Pending.
func Begin(ctx context.Context, f func(ctx context.Context) (Reply, error)) *Pending {
	ctx, cancel := context.WithCancel(ctx)
	p := &Pending{done: make(chan struct{}), stop: cancel}
	go func() {
		defer close(p.done)
		defer cancel()
		p.rep, p.err = f(ctx)
	}()
	return p
}
