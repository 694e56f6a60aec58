// SPDX-License-Identifier: Apache-2.0

package routes_test

import (
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/plexus-ipc/plexus/hub/routes"
	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/status"
)

func TestMain(m *testing.M) { leak.Main(m) }

func reach(cost uint64, path ...string) operation.Reach {
	return operation.Reach{Hub: path[len(path)-1], Path: path, Cost: cost}
}

func set(t *testing.T, x *routes.Table[string], link string, want bool, said ...operation.Reach) {
	t.Helper()
	changed, err := x.Set(link, said)
	if err != nil || changed != want {
		t.Fatalf("changed: %v, %v", changed, err)
	}
}

func TestBestWay(t *testing.T) {
	x := routes.New[string]("me")
	set(t, x, "l1", true, reach(1, "a"), reach(2, "a", "b"))
	set(t, x, "l1", false, reach(1, "a"), reach(2, "a", "b"))
	set(t, x, "l2", false, reach(3, "c", "d", "b"), reach(2, "c", "me")) // longer, and back to here
	if b, ok := x.Best("b"); !ok || b.Link != "l1" {
		t.Fatalf("%+v", b)
	}
	set(t, x, "l3", true, reach(1, "b"))
	if b, _ := x.Best("b"); b.Link != "l3" || len(x.List()) != 2 {
		t.Fatalf("%+v, %v", b, x.List())
	}
	if !x.Remove("l3") || x.Remove("l3") || x.Remove("l2") {
		t.Fatal("removed wrongly")
	}
	if b, _ := x.Best("b"); b.Link != "l1" {
		t.Fatalf("%+v", b)
	}
	if !x.Remove("l1") || len(x.List()) != 0 {
		t.Fatal("a hub is still reached")
	}
}

func TestWhatALinkMaySay(t *testing.T) {
	x := routes.New[string]("me")
	long := make([]string, routes.MaxPath+1)
	for i := range long {
		long[i] = fmt.Sprint("h", i)
	}
	for _, r := range []operation.Reach{
		{Hub: "a"}, {Hub: "a", Path: []string{"b"}}, reach(1, "a", "a"), reach(1, "a@b"), reach(1, "$"), reach(1, ""), reach(1, long...),
	} {
		if _, err := x.Set("l", []operation.Reach{r}); status.CodeOf(err) != status.InvalidArgument {
			t.Errorf("%+v: %v", r, err)
		}
	}
	if _, err := x.Set("l", make([]operation.Reach, routes.MaxHubs+1)); status.CodeOf(err) != status.LimitExceeded {
		t.Error(err)
	}
}

// A message that has come by one way does not come by another; what is new does; and one
// session is never doubted.
func TestLanes(t *testing.T) {
	var l routes.Lanes
	lane := routes.Lane{Sender: "a@h", Session: "1", Channel: "c", Name: "n"}
	for i, step := range []struct {
		via  string
		n    uint64
		want bool
	}{
		{"w1", 1, true}, {"w1", 2, true}, {"w1", 5, true},
		{"w2", 4, false}, {"w2", 5, false}, {"w2", 6, true}, {"w2", 7, true},
		{"w1", 7, false}, {"w1", 8, true},
		{"w1", 1, true}, {"w1", 2, true}, // the sender counts anew
		{"w2", 100000, true}, {"w3", 3, true}, // so far back is anew as well
	} {
		if got := passes(&l, lane, step.via, step.n); got != step.want {
			t.Fatalf("step %d: %v", i, got)
		}
	}
	lane.Session = "2"
	if !passes(&l, lane, "w4", 1) {
		t.Fatal("another session of the sender was taken for the same")
	}
	for i := range routes.MaxLanes * 5 / 4 {
		passes(&l, routes.Lane{Sender: fmt.Sprint(i)}, "w", 1)
	}
	if l.Len() > routes.MaxLanes {
		t.Fatalf("%d lanes are remembered", l.Len())
	}
}

func passes(l *routes.Lanes, lane routes.Lane, via string, n uint64) bool {
	turn := l.Begin(lane, via, n)
	if turn == nil {
		return false
	}
	turn.End()
	return true
}

// What comes by two ways at the same time is given out in order, and once: a message waits until
// the one before it, by the other way, has been given out.
func TestLanesByTwoWaysAtOnce(t *testing.T) {
	var l routes.Lanes
	lane := routes.Lane{Sender: "a@h", Session: "1", Channel: "c", Name: "n"}
	var given []uint64 // guarded by the turns
	var wg sync.WaitGroup
	for _, via := range []string{"w1", "w2"} {
		wg.Go(func() {
			for n := range uint64(2000) {
				if turn := l.Begin(lane, via, n+1); turn != nil {
					runtime.Gosched()
					given = append(given, n+1)
					turn.End()
				}
			}
		})
	}
	wg.Wait()
	for i, n := range given {
		if n != uint64(i)+1 {
			t.Fatalf("%d was given out as number %d: %v", n, i+1, given[max(0, i-3):i+1])
		}
	}
}
