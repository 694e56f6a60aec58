// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// clear is how much better one figure must be than another before we say so: less is the
// weather of the machine.
const clear = 1.10

// advise says in plain words what the rows say, with the figures behind it.
func advise(r *Report) []string {
	var all []string
	for _, f := range []func(*Report) []string{
		adviseTransport, adviseLarge, adviseCallers, adviseHub, adviseStream, advisePublish, adviseTLS, adviseBuffers, adviseMachine,
	} {
		all = append(all, f(r)...)
	}
	return all
}

// pick returns the rows of a case: of every transport, with the first socket buffer asked
// for.
func (r *Report) pick(route string, k Case) []Row {
	var all []Row
	for _, row := range r.Results {
		if row.Route != route || row.Pattern != k.Pattern || row.Callers != k.Callers || row.Bytes != k.Bytes {
			continue
		}
		if !slices.ContainsFunc(all, func(o Row) bool { return o.Transport == row.Transport }) {
			all = append(all, row)
		}
	}
	return all
}

// sizes lists the payloads that there are rows of.
func (r *Report) sizes() []int {
	var all []int
	for _, row := range r.Results {
		all = append(all, row.Bytes)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// find returns the row of one transport among rows.
func find(rows []Row, transport string) (Row, bool) {
	i := slices.IndexFunc(rows, func(r Row) bool { return r.Transport == transport })
	if i < 0 {
		return Row{}, false
	}
	return rows[i], true
}

// fastest returns the row with the shortest median, or the highest rate.
func fastest(rows []Row, by func(Row) float64) Row {
	return slices.MinFunc(rows, func(a, b Row) int {
		switch d := by(a) - by(b); {
		case d < 0:
			return -1
		case d > 0:
			return 1
		}
		return 0
	})
}

func latency(r Row) float64 { return r.P50 }

func slowness(r Row) float64 {
	if r.PerSecond == 0 {
		return math.Inf(1)
	}
	return 1 / r.PerSecond
}

// score is how much longer than the fastest a transport takes for direct calls, on the
// geometric mean; 0 if a case is missing.
func (r *Report) score(transport string) float64 {
	sum, n := 0.0, 0
	for _, row := range r.Results {
		if row.Pattern != Call || row.Route != Direct || row.Transport != transport {
			continue
		}
		best := fastest(r.pick(Direct, Case{Call, row.Callers, row.Bytes}), slowness)
		if best.PerSecond == 0 || row.PerSecond == 0 {
			continue
		}
		sum += math.Log(best.PerSecond / row.PerSecond)
		n++
	}
	if n == 0 {
		return 0
	}
	return math.Exp(sum / float64(n))
}

// best returns the transport for calls between processes of this machine, "" if there are
// no direct calls. Of two that are about equal it is the one that Order has first.
func (r *Report) best() string {
	name, least := "", math.Inf(1)
	for _, scheme := range r.Order {
		if s := r.score(scheme); s > 0 && s*clear < least {
			name, least = scheme, s
		}
	}
	return name
}

// usual returns the row of the recommended transport, or of the first in Order: what is
// said of it is not about transports.
func (r *Report) usual(rows []Row) Row {
	for _, scheme := range append([]string{r.best()}, r.Order...) {
		if row, ok := find(rows, scheme); ok {
			return row
		}
	}
	return rows[0]
}

// adviseTransport names the transport to use, and what the others cost.
func adviseTransport(r *Report) []string {
	best := r.best()
	if best == "" {
		return nil
	}
	k := Case{Call, 1, r.sizes()[0]}
	rows := r.pick(Direct, k)
	mine, ok := find(rows, best)
	if !ok {
		return []string{fmt.Sprintf("Between processes of this machine use %s: over all direct calls it is the fastest.", best)}
	}
	text := fmt.Sprintf("Between processes of this machine use %s: a call of %s bytes takes %s µs (p50), p99 %s µs", best, SizeText(k.Bytes), number(mine.P50), number(mine.P99))
	var others []string
	for _, row := range rows {
		if row.Transport != best && mine.P50 > 0 {
			others = append(others, fmt.Sprintf("%s %s µs (%.1f ×)", row.Transport, number(row.P50), row.P50/mine.P50))
		}
	}
	if len(others) > 0 {
		text += "; " + strings.Join(others, ", ")
	}
	all := []string{text + "."}
	if _, ok := find(rows, "tcp"); ok && best != "tcp" {
		all = append(all, "Keep tcp and tls for other machines: the same program, another address.")
	}
	return all
}

// adviseLarge names the transport for the largest calls if that is another one.
func adviseLarge(r *Report) []string {
	best := r.best()
	sizes := r.sizes()
	if best == "" || len(sizes) < 2 {
		return nil
	}
	k := Case{Call, 1, sizes[len(sizes)-1]}
	rows := r.pick(Direct, k)
	mine, ok := find(rows, best)
	if !ok {
		return nil
	}
	first := fastest(rows, latency)
	if first.P50*clear < mine.P50 {
		return []string{fmt.Sprintf("For calls of %s %s is faster than %s: %s µs against %s µs.", SizeText(k.Bytes), first.Transport, best, number(first.P50), number(mine.P50))}
	}
	return []string{fmt.Sprintf("A call with %s there and back takes %s µs over %s: %s MiB/s each way.", SizeText(k.Bytes), number(mine.P50), best, number(mine.MiBPerSecond))}
}

// adviseCallers tells what sharing a connection gives.
func adviseCallers(r *Report) []string {
	best := r.best()
	if best == "" {
		return nil
	}
	var rows []Row
	for _, row := range r.Results {
		if row.Route == Direct && row.Pattern == Call && row.Transport == best && row.Bytes == r.sizes()[0] {
			rows = append(rows, row)
		}
	}
	if len(rows) < 2 {
		return nil
	}
	low := slices.MinFunc(rows, func(a, b Row) int { return a.Callers - b.Callers })
	high := slices.MaxFunc(rows, func(a, b Row) int { return a.Callers - b.Callers })
	if high.PerSecond < low.PerSecond*clear || low.Callers == high.Callers {
		return []string{fmt.Sprintf("%d callers on one connection make no more calls than %d here (%s a second against %s).", high.Callers, low.Callers, number(high.PerSecond), number(low.PerSecond))}
	}
	return []string{fmt.Sprintf("Share one client among goroutines: %d callers on one %s connection make %s calls a second, %d makes %s (%.0f ×), because their calls travel together.",
		high.Callers, best, number(high.PerSecond), low.Callers, number(low.PerSecond), high.PerSecond/low.PerSecond)}
}

// adviseHub tells what the hub costs.
func adviseHub(r *Report) []string {
	best := r.best()
	if best == "" {
		return nil
	}
	k := Case{Call, 1, r.sizes()[0]}
	direct, a := find(r.pick(Direct, k), best)
	hub, b := find(r.pick(Hub, k), best)
	if !a || !b || direct.P50 == 0 {
		return nil
	}
	return []string{fmt.Sprintf("A call through the hub takes %s µs over %s, a direct one %s µs (%.1f ×): have processes meet at the hub, and let those that call each other very often talk directly.",
		number(hub.P50), best, number(direct.P50), hub.P50/direct.P50)}
}

// adviseStream compares streaming with calling.
func adviseStream(r *Report) []string {
	size := 0
	if sizes := r.sizes(); len(sizes) > 0 {
		size = sizes[0]
	}
	rows := r.pick(Direct, Case{Stream, 1, size})
	if len(rows) == 0 {
		return nil
	}
	first := r.usual(rows)
	text := fmt.Sprintf("A stream carries %s items of %s bytes a second over %s", number(first.PerSecond), SizeText(size), first.Transport)
	if call, ok := find(r.pick(Direct, Case{Call, 1, size}), first.Transport); ok && call.PerSecond > 0 {
		text += fmt.Sprintf(", %.0f × as many as calls one after the other: for many small values stream, do not call", first.PerSecond/call.PerSecond)
	}
	return []string{text + "."}
}

// advisePublish tells what more subscribers cost.
func advisePublish(r *Report) []string {
	var all []string
	for _, route := range []string{Direct, Hub} {
		if sizes := r.sizes(); len(sizes) > 0 {
			rows := r.pick(route, Case{Publish, 8, sizes[0]})
			if len(rows) == 0 {
				continue
			}
			first := r.usual(rows)
			how := map[string]string{Direct: "directly", Hub: "through the hub"}[route]
			all = append(all, fmt.Sprintf("One publisher reaches 8 subscribers %s with %s messages of %s bytes a second over %s (%s deliveries a second).",
				how, number(first.PerSecond), SizeText(first.Bytes), first.Transport, number(8*first.PerSecond)))
		}
	}
	return all
}

// adviseTLS tells what encryption costs, for the largest calls.
func adviseTLS(r *Report) []string {
	sizes := r.sizes()
	if len(sizes) == 0 {
		return nil
	}
	rows := r.pick(Direct, Case{Call, 1, sizes[len(sizes)-1]})
	tcp, a := find(rows, "tcp")
	tls, b := find(rows, "tls")
	if !a || !b || tcp.P50 == 0 {
		return nil
	}
	return []string{fmt.Sprintf("TLS makes a call of %s take %.1f × as long as tcp (%s µs against %s µs): what is encrypted costs processor time per byte.",
		SizeText(tcp.Bytes), tls.P50/tcp.P50, number(tls.P50), number(tcp.P50))}
}

// adviseBuffers compares socket buffers, where several were asked for.
func adviseBuffers(r *Report) []string {
	type key struct {
		transport string
		bytes     int
	}
	gains := map[string]map[key][]float64{} // by buffer
	var names []string
	for _, row := range r.Results {
		if row.Buffer == "" || row.PerSecond == 0 {
			continue
		}
		base := r.pick(row.Route, Case{row.Pattern, row.Callers, row.Bytes})
		first, ok := find(base, row.Transport)
		if !ok || first.Buffer == row.Buffer || first.PerSecond == 0 {
			continue
		}
		name := row.Buffer + " instead of " + first.Buffer
		if gains[name] == nil {
			gains[name] = map[key][]float64{}
			names = append(names, name)
		}
		k := key{row.Transport, row.Bytes}
		gains[name][k] = append(gains[name][k], row.PerSecond/first.PerSecond)
	}
	var all []string
	for _, name := range names {
		var parts []string
		for k, v := range gains[name] {
			if m := geometric(v); m > clear || m < 1/clear {
				parts = append(parts, fmt.Sprintf("%s %s %+.0f %%", k.transport, SizeText(k.bytes), 100*(m-1)))
			}
		}
		slices.Sort(parts)
		if len(parts) == 0 {
			parts = []string{"no difference of more than 10 %: leave them alone"}
		}
		all = append(all, fmt.Sprintf("Socket buffers of %s, rate over all patterns: %s.", name, strings.Join(parts, ", ")))
	}
	return all
}

func geometric(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += math.Log(x)
	}
	return math.Exp(sum / float64(len(v)))
}

// adviseMachine says when the figures are to be taken with care.
func adviseMachine(r *Report) []string {
	m := &r.Machine
	var all []string
	if m.Busy() {
		all = append(all, fmt.Sprintf("The machine was busy before the run (load %.1f on %d cores): the figures are worse than they could be; compare them with each other only.", *m.Load, m.Cores))
	}
	if m.Cores == 1 {
		all = append(all, "There is one core: both sides take turns on it.")
	}
	return all
}
