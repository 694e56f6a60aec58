// SPDX-License-Identifier: Apache-2.0

package session_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/transport/mem"
	"github.com/plexus-ipc/plexus/wire"
)

// noter notes what it is told.
type noter struct {
	answers chan string
	left    chan status.Code
}

func (r *noter) Answered(m session.Message, err *status.Error) {
	if err != nil {
		r.answers <- err.Code.String()
		return
	}
	r.answers <- string(m.Payload)
}
func (r *noter) Left(reason *status.Error) { r.left <- reason.Code }
func (r *noter) Detached()                 { r.answers <- "detached" }

// A Recorder learns the answer, and why nobody waits for it any more; the context goes on until
// the Recorder ends it.
func TestRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		defer time.Sleep(time.Second) // in the bubble: the Keepers go home
		for _, c := range []struct {
			name string
			end  func(s *session.Session, r *session.Route, id uint32)
			want status.Code
		}{
			{"given up", func(_ *session.Session, r *session.Route, id uint32) { r.Cancel(id) }, status.Cancelled},
			{"given up, with a reason", func(_ *session.Session, r *session.Route, id uint32) {
				r.Quit(id, &status.Error{Code: status.Cancelled})
			}, status.Cancelled},
			{"gone behind a hub", func(_ *session.Session, r *session.Route, id uint32) {
				r.Quit(id, &status.Error{Code: status.Evicted})
			}, status.PeerGone},
			{"gone", func(s *session.Session, _ *session.Route, _ uint32) { s.Close() }, status.PeerGone},
		} {
			rec := &noter{make(chan string, 9), make(chan status.Code, 9)}
			began, goOn := make(chan struct{}), make(chan struct{})
			router := methods{"job": {call: func(c *session.Call) {
				cancel := c.Record(rec)
				close(began)
				<-goOn
				if err := c.Context().Err(); err != nil {
					t.Errorf("%s: the context has ended: %v", c.Route().Name, err)
				}
				cancel(&status.Error{Code: status.Cancelled})
				if c.Context().Err() == nil {
					t.Error("the context has not ended")
				}
				_ = c.Reply(session.Message{Payload: []byte("answer")}) // nobody may be there
			}}}
			d, a := mem.Pipe()
			ds, as, derr, aerr := shake(d, a, &session.Config{Keeper: new(session.Keeper)}, &session.Config{Router: router, Keeper: new(session.Keeper)})
			must(t, errors.Join(derr, aerr))
			route := ds.Route(wire.Bind{Class: wire.ClassMethod, Name: "job"})
			p := &pendingSink{make(chan struct{})}
			id, err := route.Start(t.Context(), session.Message{Idempotent: true, Once: &session.Once{Sequence: 1}}, p)
			must(t, err)
			<-began
			c.end(ds, route, id)
			if got := <-rec.left; got != c.want {
				t.Errorf("%s: %v, want %v", c.name, got, c.want)
			}
			close(goOn)
			if got := <-rec.answers; got != "answer" {
				t.Errorf("%s: %s", c.name, got)
			}
			<-p.done
			ds.Close()
			as.Close()
			ds.Wait()
			as.Wait()
		}
	})
}

// pendingSink waits for the final frame.
type pendingSink struct{ done chan struct{} }

func (p *pendingSink) Item(*session.Frame)         {}
func (p *pendingSink) Final(*session.Frame, error) { close(p.done) }
