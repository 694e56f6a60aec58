// SPDX-License-Identifier: Apache-2.0

//go:build unix

package main

import (
	"fmt"
	"slices"
	"time"
)

// quantiles returns the median and the 99th percentile of the others' latencies in a phase.
func (r *result) quantiles(phase int) (p50, p99 time.Duration) {
	var all []time.Duration
	for i := range r.Others {
		all = append(all, r.Others[i].Latencies[phase]...)
	}
	if len(all) == 0 {
		return 0, 0
	}
	slices.Sort(all)
	return all[len(all)/2], all[len(all)*99/100]
}

func (r *result) print() {
	a50, a99 := r.quantiles(0)
	b50, b99 := r.quantiles(1)
	us := func(d time.Duration) string { return fmt.Sprintf("%.0f µs", float64(d)/1e3) }
	fmt.Printf("%d subscribers, %d bytes every %v, policy %s\n\n", r.Subscribers, r.Bytes, r.Every, r.Policy)
	fmt.Println("| | before | one is stopped | ratio |\n|---|---|---|---|")
	fmt.Printf("| publications | %d | %d | |\n", r.Baseline, r.Stopped)
	fmt.Printf("| p50 of the others | %s | %s | %.2f |\n", us(a50), us(b50), float64(b50)/float64(a50))
	fmt.Printf("| p99 of the others | %s | %s | %.2f |\n", us(a99), us(b99), float64(b99)/float64(a99))
	fmt.Printf("| longest Publish | %s | %s | |\n", us(r.Publisher.Longest[0]), us(r.Publisher.Longest[1]))
	fmt.Printf("\nthe one that was stopped: %d sent = %d delivered + %d told as dropped\n", r.total(), r.Victim.Got, r.Victim.Dropped)
	st := &r.Status
	fmt.Printf("the hub: %d matched = %d delivered + %v dropped + %d queued; %d held up their publisher\n",
		st.Matched, st.Delivered, st.Dropped, st.Queued, st.Blocked)
}

// check returns an error if a publication is not accounted for.
func (r *result) check() error {
	lost := 0
	for i := range r.Others {
		o := &r.Others[i]
		if o.Got+o.Dropped != r.total() || o.Disordered > 0 {
			return fmt.Errorf("subscriber %d has got %d of %d, %d were told as dropped, %d came out of order", i, o.Got, r.total(), o.Dropped, o.Disordered)
		}
		lost += o.Dropped
	}
	v := &r.Victim
	if v.Got+v.Dropped != r.total() || v.Disordered > 0 {
		return fmt.Errorf("the one that was stopped has got %d of %d, %d were told as dropped, %d came out of order", v.Got, r.total(), v.Dropped, v.Disordered)
	}
	st := &r.Status
	sum := st.Delivered + st.Queued
	for _, n := range st.Dropped {
		sum += n
	}
	if sum != st.Matched || st.Matched != uint64(r.total()*r.Subscribers) || st.Dropped["queue_full"] != uint64(lost+v.Dropped) {
		return fmt.Errorf("the hub has matched %d and accounts for %d: %+v", st.Matched, sum, st)
	}
	return nil
}
