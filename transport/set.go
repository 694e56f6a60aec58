// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/plexus-ipc/plexus/endpoint"
)

// Set is a table of drivers by scheme. It is a value: With returns a new one, nothing
// changes an existing one, so it may be shared freely. The zero value is empty.
type Set struct{ byScheme map[string]Transport }

// NewSet returns a Set of the given drivers; a later one takes a scheme from an earlier.
func NewSet(drivers ...Transport) Set { return Set{}.With(drivers...) }

// With returns a Set that has the given drivers, too.
func (s Set) With(drivers ...Transport) Set {
	m := maps.Clone(s.byScheme)
	if m == nil {
		m = make(map[string]Transport)
	}
	for _, d := range drivers {
		for _, scheme := range d.Schemes() {
			m[scheme] = d
		}
	}
	return Set{byScheme: m}
}

// Schemes lists the schemes in alphabetical order.
func (s Set) Schemes() []string { return slices.Sorted(maps.Keys(s.byScheme)) }

// Lookup returns the driver for a scheme. The error, which is errors.ErrUnsupported,
// lists the schemes there are.
func (s Set) Lookup(scheme string) (Transport, error) {
	if d, ok := s.byScheme[scheme]; ok {
		return d, nil
	}
	known := strings.Join(s.Schemes(), ", ")
	if known == "" {
		known = "none"
	}
	return nil, fmt.Errorf("no transport for %q in this set (it has %s): %w", scheme, known, errors.ErrUnsupported)
}

// Dial connects to ep by the driver for its scheme.
func (s Set) Dial(ctx context.Context, ep endpoint.Endpoint, opts *Options) (Conn, error) {
	d, err := s.Lookup(ep.Scheme())
	if err != nil {
		return nil, &Error{Op: "dial", Endpoint: ep.String(), Err: err}
	}
	return d.Dial(ctx, ep, opts)
}

// Listen binds ep by the driver for its scheme.
func (s Set) Listen(ctx context.Context, ep endpoint.Endpoint, opts *Options) (Listener, error) {
	d, err := s.Lookup(ep.Scheme())
	if err != nil {
		return nil, &Error{Op: "listen", Endpoint: ep.String(), Err: err}
	}
	return d.Listen(ctx, ep, opts)
}
