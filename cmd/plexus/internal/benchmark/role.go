// SPDX-License-Identifier: Apache-2.0

package benchmark

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/plexus-ipc/plexus/cmd/plexus/internal/benchmark/report"
	"github.com/plexus-ipc/plexus/cmd/plexus/internal/family"
)

// The roles of the children.
const (
	roleHub      = "hub"
	roleProvider = "provider"
	roleLoad     = "load"
)

// order is what a child is told to do.
type order struct {
	Do     string // one of the orders
	Case   report.Case
	Count  int           // run
	Budget time.Duration // delay
}

// The orders. All but mark are for the load alone.
const (
	doMark    = "mark"    // tell the gauge
	doPrepare = "prepare" // make ready for a case
	doRun     = "run"     // so many operations
	doDelay   = "delay"   // one message at a time, for a while
	doFinish  = "finish"  // take down what prepare has made
)

// note is what a child says.
type note struct {
	Address  string        `json:",omitempty"`
	Gauge    *gauge        `json:",omitempty"`
	Took     time.Duration `json:",omitempty"`
	P50, P99 time.Duration `json:",omitempty"`
}

// Role plays a role until in ends. What it has to say it writes to out.
func Role(ctx context.Context, role string, in io.Reader, out io.Writer) error {
	var t task
	return family.Follow(ctx, in, out, &t, func(ctx context.Context, a *family.Actor) error {
		switch role {
		case roleHub:
			return serveHub(ctx, a, &t)
		case roleProvider:
			return serveProvider(ctx, a, &t)
		case roleLoad:
			return serveLoad(ctx, a, &t)
		}
		return fmt.Errorf("there is no role %q", role)
	})
}

// obey carries out orders until ctx ends; do has those that are not for everybody.
func obey(ctx context.Context, a *family.Actor, do func(*order) (note, error)) error {
	for {
		var o order
		if err := a.Await(ctx, &o); err != nil {
			return err
		}
		n, err := note{}, errors.New("this process has no such order")
		switch {
		case o.Do == doMark:
			g := readGauge()
			n, err = note{Gauge: &g}, nil
		case do != nil:
			n, err = do(&o)
		}
		if err != nil {
			a.Complain(err)
			continue
		}
		a.Say(n)
	}
}
