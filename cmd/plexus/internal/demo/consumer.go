// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/status"
)

// user is a consumer that is connected.
type user struct {
	c     *corpus
	token string
	index *plexus.Channel
	words *plexus.Channel
	rows  []Row
}

// consumer is the role of who uses the providers.
func (a *actor) consumer(ctx context.Context) error {
	c, err := load(a.task.Folder)
	if err != nil {
		return err
	}
	u := &user{c: c, token: a.task.Route + "-" + a.task.Transport}
	if a.task.Route == "hub" {
		cl, err := plexus.Dial(ctx, a.task.Hub, &plexus.DialOptions{ID: u.token})
		if err != nil {
			return err
		}
		defer done(cl)
		u.index, u.words = cl.Channel("index"), cl.Channel("words")
		if err := u.index.Operate(ctx, operation.Join, operation.Place{Channel: "index"}, nil); err != nil {
			return err
		}
	} else {
		for _, to := range []struct {
			address string
			ch      **plexus.Channel
		}{{a.task.Index, &u.index}, {a.task.Words, &u.words}} {
			cl, err := plexus.Dial(ctx, to.address, &plexus.DialOptions{ID: u.token})
			if err != nil {
				return err
			}
			defer done(cl)
			*to.ch = cl.Channel("")
		}
	}
	return u.use(ctx, a)
}

// use subscribes, says that it is ready, takes the progress of the index, and then, when
// it is its turn, goes through all patterns.
func (u *user) use(ctx context.Context, a *actor) error {
	sub, err := plexus.Subscribe[progress](ctx, u.index, "progress", plexus.WithQueue(2*maxFiles, operation.DropOldest))
	if err != nil {
		return err
	}
	a.Say(note{Ready: true, Digest: u.c.Digest})
	u.run("subscribe", func(r *Row, m *meter) error { return u.follow(ctx, sub, r, m) })
	done(sub)
	a.Say(note{Ready: true})
	if err := a.Await(ctx, nil); err != nil {
		return err
	}
	for _, p := range []struct {
		name string
		f    func(context.Context, *Row, *meter) error
	}{
		{"call", u.search}, {fmt.Sprintf("call ×%d", callers), u.many}, {"call raw bytes", u.files}, {"call, big answer", u.top},
		{"stream", u.lines}, {"stream, left early", u.leave}, {"upload", u.upload}, {"duplex", u.lookup},
		{"send", u.send}, {"broadcast", u.broadcast}, {"broadcast, received", u.announced}, {"errors", u.errors},
	} {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		u.run(p.name, func(r *Row, m *meter) error { return p.f(ctx, r, m) })
	}
	a.Say(note{Done: true, Rows: u.rows})
	return nil
}

// run runs one pattern and adds its row.
func (u *user) run(pattern string, f func(r *Row, m *meter) error) {
	r := Row{Pattern: pattern, OK: true, Got: make(map[string]string)}
	var m meter
	if err := f(&r, &m); err != nil {
		r.OK, r.Why = false, err.Error()
	}
	if r.Count == 0 {
		r.Count = len(m.d)
	}
	r.P50, r.P99 = m.percentile(50), m.percentile(99)
	u.rows = append(u.rows, r)
}

// follow takes all publications of the index's progress.
func (u *user) follow(ctx context.Context, sub *plexus.Subscription[progress], _ *Row, m *meter) error {
	for want := 1; ; want++ {
		p, err := sub.Next(ctx)
		if err != nil {
			return err
		}
		m.since(time.Unix(0, p.Value.Sent))
		switch {
		case p.Value.Done != want || p.Dropped > 0:
			return fmt.Errorf("progress %d came where %d was due (%d dropped)", p.Value.Done, want, p.Dropped)
		case p.Value.File != u.c.Files[want-1].Path:
			return fmt.Errorf("progress %d is about %s, not %s", want, p.Value.File, u.c.Files[want-1].Path)
		case p.Value.Done == p.Value.Total:
			return nil
		}
	}
}

// search calls, typed, one call after the other.
func (u *user) search(ctx context.Context, r *Row, m *meter) error {
	bound := plexus.Bind[query, hits](u.index, "search")
	words := sampleWords()
	for i := range searches {
		w := words[i%len(words)]
		began := time.Now()
		h, err := bound.Call(ctx, query{w, searchTop})
		if err != nil {
			return err
		}
		m.since(began)
		if i < len(words) {
			r.Got["search "+w] = digest(h)
		}
	}
	return nil
}

// many calls from many goroutines at a time.
func (u *user) many(ctx context.Context, r *Row, m *meter) error {
	var wg sync.WaitGroup
	meters, errs := make([]meter, callers), make([]error, callers)
	words := sampleWords()
	for i := range callers {
		wg.Go(func() {
			w := words[i%len(words)]
			for range perCaller {
				began := time.Now()
				h, err := plexus.Call[hits](ctx, u.index, "search", query{w, searchTop})
				if err != nil {
					errs[i] = err
					return
				}
				meters[i].since(began)
				if d := digest(h); i < len(words) {
					errs[i] = errors.Join(errs[i], u.same(d, h, w))
				}
			}
		})
	}
	wg.Wait()
	for _, one := range meters {
		m.d = append(m.d, one.d...)
	}
	return errors.Join(errs...)
}

// same compares an answer with the one that the consumer got first.
func (u *user) same(got string, h hits, word string) error {
	for _, r := range u.rows {
		if first, ok := r.Got["search "+word]; ok && first != got {
			return fmt.Errorf("search %s: another answer (%d lines) than before", word, h.Total)
		}
	}
	return nil
}

// files fetches files as raw bytes.
func (u *user) files(ctx context.Context, r *Row, m *meter) error {
	sum := sha256.New()
	for _, f := range someFiles(u.c) {
		began := time.Now()
		data, err := plexus.Call[[]byte](ctx, u.index, "file", []byte(f.Path))
		if err != nil {
			return err
		}
		m.since(began)
		sum.Write(data)
	}
	r.Got["files"] = fmt.Sprintf("%x", sum.Sum(nil))
	return nil
}

// top asks for a list.
func (u *user) top(ctx context.Context, r *Row, m *meter) error {
	for range 20 {
		began := time.Now()
		top, err := plexus.Call[[]wordCount](ctx, u.words, "top", topWords)
		if err != nil {
			return err
		}
		m.since(began)
		r.Got["top"] = digest(top)
	}
	return nil
}

// lines takes a stream to its end.
func (u *user) lines(ctx context.Context, r *Row, m *meter) error {
	var all []hit
	last := time.Now()
	for h, err := range plexus.Stream[hit](ctx, u.index, "lines", grep{grepText, u.token}) {
		if err != nil {
			return err
		}
		m.since(last)
		all = append(all, h)
		last = time.Now()
	}
	r.Got["lines"] = digest(all)
	return nil
}

// leave leaves a stream early, and asks what the producer has done until it was told.
func (u *user) leave(ctx context.Context, _ *Row, m *meter) error {
	token := u.token + "-early"
	last := time.Now()
	for _, err := range plexus.Stream[hit](ctx, u.index, "lines", grep{"", token}) {
		if err != nil {
			return err
		}
		m.since(last)
		if last = time.Now(); len(m.d) == min(earlyItems, u.c.Lines) {
			break
		}
	}
	items, err := plexus.Call[int](ctx, u.index, "produced", token)
	if err != nil {
		return err
	}
	if u.c.Lines > 2*earlyBound && items > earlyBound {
		return fmt.Errorf("%d of %d lines were produced, though only %d were taken", items, u.c.Lines, len(m.d))
	}
	return nil
}

// upload streams lines to the provider, which answers once.
func (u *user) upload(ctx context.Context, r *Row, m *meter) error {
	up, err := plexus.OpenUpload[string, counted](ctx, u.words, "count")
	if err != nil {
		return err
	}
	defer done(up)
	for _, line := range uploadLines(u.c) {
		began := time.Now()
		if err := up.Send(ctx, line); err != nil {
			return err
		}
		m.since(began)
	}
	n, err := up.Finish(ctx)
	r.Got["count"] = digest(n)
	return err
}

// lookup holds a conversation: one word there, one count back.
func (u *user) lookup(ctx context.Context, r *Row, m *meter) error {
	d, err := plexus.Open[string, wordCount](ctx, u.words, "lookup")
	if err != nil {
		return err
	}
	defer done(d)
	words := sampleWords()
	for i := range lookups {
		w := words[i%len(words)]
		began := time.Now()
		if err := d.Send(ctx, w); err != nil {
			return err
		}
		n, err := d.Recv(ctx)
		if err != nil {
			return err
		}
		m.since(began)
		r.Got["lookup "+w] = digest(n)
	}
	if err := d.CloseSend(); err != nil {
		return err
	}
	return d.Wait(ctx)
}

// errors provokes what can go wrong: each has its own code, and nothing hangs.
func (u *user) errors(ctx context.Context, _ *Row, m *meter) error {
	expect := func(want status.Code, also status.Code, f func() error) error {
		began := time.Now()
		err := f()
		m.since(began)
		if code := status.CodeOf(err); code != want && code != also {
			return fmt.Errorf("%w came where %s was due", err, want.String())
		}
		return nil
	}
	nothing := struct{}{}
	return errors.Join(
		expect(status.NoProvider, status.UnknownMethod, func() error {
			_, err := plexus.Call[struct{}](ctx, u.index, "no.such.method", nothing)
			return err
		}),
		expect(status.WrongShape, status.WrongShape, func() error {
			_, err := plexus.Call[hit](ctx, u.index, "lines", grep{})
			return err
		}),
		expect(status.Undeclared, status.Undeclared, func() error { return plexus.Publish(ctx, u.words, "no.topic", nothing) }),
		expect(status.DeadlineExceeded, status.DeadlineExceeded, func() error {
			short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
			defer cancel()
			_, err := plexus.Call[struct{}](short, u.index, "wait", nothing)
			return err
		}),
		expect(status.Cancelled, status.Cancelled, func() error {
			short, cancel := context.WithCancel(ctx)
			t := time.AfterFunc(20*time.Millisecond, cancel)
			defer t.Stop()
			_, err := plexus.Call[struct{}](short, u.index, "wait", nothing)
			return err
		}),
	)
}
