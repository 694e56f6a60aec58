// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/client"
	"github.com/plexus-ipc/plexus/daemon"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/subject"
)

// connectTimeout bounds connecting, whatever the verb's own time is.
const connectTimeout = 10 * time.Second

// dial connects to the hub or server.
func (a *app) dial(ctx context.Context) (*plexus.Client, error) {
	log, err := a.logger(slog.LevelWarn)
	if err != nil {
		return nil, err
	}
	o := &plexus.DialOptions{ID: a.id, Log: log, Session: session.Config{Product: "plexus " + programVersion()}}
	o.Transport.SendBuffer, o.Transport.RecvBuffer = a.socketBytes, a.socketBytes
	if a.reconnect {
		o.Reconnect = &client.Reconnect{OnState: a.sayState}
	}
	if o.Secret, err = a.secret(log); err != nil {
		return nil, err
	}
	if err = a.introduce(o, log); err != nil {
		return nil, err
	}
	if o.TLS, err = a.tls.Client(); err != nil {
		return nil, err
	}
	if o.More, err = a.moreDrivers(log, a.address); err != nil {
		return nil, err
	}
	if a.tlsName != "" {
		if o.TLS == nil {
			o.TLS = &tls.Config{MinVersion: tls.VersionTLS13}
		}
		o.TLS.ServerName = a.tlsName
	}
	limited, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	c, err := plexus.Dial(limited, a.address, o)
	if errors.Is(err, context.DeadlineExceeded) {
		return nil, status.Errorf(status.DeadlineExceeded, "what listens at %s did not finish the handshake in time: is it a Plexus hub?", a.address)
	}
	return c, err
}

// sayState tells on stderr what becomes of the connection.
func (a *app) sayState(st client.State) {
	switch st.Phase {
	case client.Disconnected:
		a.say("the connection was lost, trying again: %v", st.Err)
	case client.Connected:
		if a.connected.Swap(true) {
			a.say("connected again")
		}
	case client.Lost:
		a.say("%s could not be had again: %v", st.What, st.Err)
	case client.Retrying, client.Ended: // the first is said once, the second by the verb
	}
}

// done closes what is used no more. What was to be said about it has been said.
func done(c io.Closer) { c.Close() }

// secret returns the shared secret, nil if there is none.
func (a *app) secret(log *slog.Logger) ([]byte, error) {
	if a.secretFile != "" {
		secret, warning, err := daemon.ReadSecret(a.secretFile)
		if warning != "" {
			log.Warn(warning)
		}
		return secret, err
	}
	v, set := a.env("PLEXUS_SECRET")
	switch {
	case !set:
		return nil, nil
	case v == "":
		return nil, usagef("PLEXUS_SECRET is set and empty: unset it, or put the secret into it")
	}
	return []byte(v), nil
}

// at connects, calls f with a channel's handle, and closes.
func (a *app) at(ctx context.Context, channel string, f func(c *plexus.Client, ch *plexus.Channel) error) error {
	c, err := a.dial(ctx)
	if err != nil {
		return err
	}
	ch, err := a.unlocking(c.Channel(channel))
	if err == nil {
		err = f(c, ch)
	}
	if cerr := c.Close(); err == nil {
		err = cerr
	}
	return err
}

// splitName takes channel/name apart.
func splitName(address string) (channel, name string, err error) {
	channel, name, err = subject.SplitMethod(address)
	return channel, name, usage(err)
}

// splitOffer is splitName for what this side offers, which is nothing in the hub's own
// channels.
func splitOffer(address string) (channel, name string, err error) {
	if channel, name, err = splitName(address); err == nil && channel != "" {
		err = usage(subject.ValidateChannel(channel))
	}
	return channel, name, err
}

// splitPattern takes channel/pattern apart.
func splitPattern(address string) (channel, pattern string, err error) {
	channel, pattern, found := strings.Cut(address, "/")
	if !found {
		channel, pattern = "", address
	} else if err := subject.ValidateChannel(channel); err != nil && channel != operation.Channel {
		return "", "", usage(err)
	}
	if err := subject.ValidatePattern(pattern); err != nil {
		return "", "", usage(err)
	}
	return channel, pattern, nil
}
