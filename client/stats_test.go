// SPDX-License-Identifier: Apache-2.0

package client_test

import (
	"context"
	"sync"
	"testing"

	"github.com/plexus-ipc/plexus/client"
	"github.com/plexus-ipc/plexus/server"
	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/mem"
)

func TestStats(t *testing.T) {
	srv := server.New(server.Config{})
	defer srv.Close()
	if _, err := srv.Offer(t.Context(), "echo", service.Terms{}, func(c *session.Call) { c.Reply(session.Message{Payload: c.Payload}) }); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	c := client.New(client.Config{Dial: func(context.Context) (transport.Conn, error) {
		near, far := mem.Pipe()
		wg.Go(func() { srv.ServeConn(far, true) })
		return near, nil
	}})
	if st := c.Stats(); st != (client.Stats{}) {
		t.Fatalf("%+v", st)
	}
	if _, err := c.Method("echo").Call(t.Context(), session.Message{Payload: make([]byte, 100)}, nil); err != nil {
		t.Fatal(err)
	}
	if st := c.Stats(); !st.Connected || st.ID != c.ID() || st.Session.Sent == 0 || st.Session.SentBytes < 100 || st.Session.Pending != 0 {
		t.Fatalf("%+v", st)
	}
	c.Close()
	wg.Wait()
	if st := c.Stats(); st.Connected || st.Session.SentBytes < 100 || st.Session.RecvBytes < 100 {
		t.Fatalf("%+v", st)
	}
}
