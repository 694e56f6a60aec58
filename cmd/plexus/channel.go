// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/subject"
)

// joinName is channel/name as it is written on the command line.
func joinName(channel, name string) string { return subject.JoinMethod(channel, name) }

// member is this side's membership of a channel.
type member struct {
	id    string
	ended chan error // gets the reason when the hub ends the membership or goes away, or the direct peer does
	stop  func()     // before a farewell: no longer watch
}

// membership watches over a channel that this side is about to enter; before, so that
// nothing is missed. A hub that shuts down says so by ending the watch, and then closes
// the connection.
func membership(ctx context.Context, c *plexus.Client, ch *plexus.Channel) (*member, error) {
	s, err := c.Session(ctx)
	if err != nil {
		return nil, err
	}
	m := &member{id: c.ID(), ended: make(chan error, 1), stop: func() {}}
	if ch.Name() != "" && ch.Name() != operation.Channel {
		if err := ch.Enter(ctx); err != nil {
			return nil, err
		}
		notices, err := ch.Watch(ctx)
		if err == nil {
			again, stop := context.WithCancel(context.Background())
			m.stop = func() { stop(); notices.Cancel() }
			go m.watch(again, c, ch, notices) // ends with the client, at the latest
			return m, nil
		}
		if !errors.Is(err, status.Unimplemented) {
			return nil, err
		}
	}
	if c.Ledger() != nil {
		go func() { <-c.Done(); m.ended <- c.Err() }()
		return m, nil
	}
	s.OnEnd(func(err error) { m.ended <- err }) // a direct peer, which has no channels
	return m, nil
}

// watch reads notices until one of them, or the end of the watch, says that it is over.
// That the owner has removed this side is such an end; that the channel has ended concerns
// it only once it is inside. With a client that reconnects, it watches the next hub.
func (m *member) watch(ctx context.Context, c *plexus.Client, ch *plexus.Channel, notices *session.Stream) {
	for inside := false; ; {
		n, err := service.NextNotice(context.Background(), notices)
		if err != nil && c.Ledger() != nil && lost(notices, err) {
			if err = c.After(ctx, notices.Session()); err == nil {
				notices, err = ch.Watch(ctx)
			}
			if err == nil {
				continue
			}
		}
		switch {
		case err != nil:
			m.ended <- err
			return
		case n.Type == operation.NoticeJoin && n.Member == m.id:
			inside = true
		case n.Type == operation.NoticeTerminate && inside:
			m.ended <- status.Errorf(status.Terminated, "channel %s ended with its owner, %s", n.Channel, n.Member)
			return
		}
	}
}

// lost reports whether a watch has ended because the hub went away, or is about to.
func lost(notices *session.Stream, err error) bool {
	return notices.Session().Err() != nil || errors.Is(err, status.Unavailable)
}

// join joins a channel of a hub. The direct peer has no members, the hub's own channel neither.
func join(ctx context.Context, ch *plexus.Channel) error {
	if ch.Name() == "" || ch.Name() == operation.Channel {
		return nil
	}
	return ch.Operate(ctx, operation.Join, operation.Place{Channel: ch.Name()}, nil)
}

// gone explains an end that the other side has brought about.
func (a *app) gone(err error) error {
	e := status.Convert(err)
	if e == nil || e.Code != status.PeerGone {
		return err
	}
	return &status.Error{Code: e.Code, Message: "the hub at " + a.address + " went away (" + e.Message + ")", Err: e}
}
