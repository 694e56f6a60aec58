// SPDX-License-Identifier: Apache-2.0

package ws

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// allowed is what Config.Origins and Config.Hosts say, in canonical form. It is immutable.
type allowed struct{ origins, hosts map[string]bool }

func newAllowed(origins, hosts []string) (allowed, error) {
	a := allowed{map[string]bool{}, map[string]bool{}}
	for _, text := range origins {
		o, ok := canonicalOrigin(text)
		if !ok {
			return a, fmt.Errorf("%q is no origin: it is a scheme, a host and perhaps a port, such as https://app.example", text)
		}
		a.origins[o] = true
	}
	for _, text := range hosts {
		if text == "" || strings.ContainsAny(text, "/*@ ") {
			return a, fmt.Errorf("%q is no host: it is a name or an address, perhaps with a port, such as hub.example:4200", text)
		}
		a.hosts[strings.ToLower(text)] = true
	}
	return a, nil
}

// origin reports whether the Origin headers of a request allow it. Several are none that a
// browser has sent.
func (a *allowed) origin(headers []string) bool {
	if len(headers) == 0 {
		return true
	}
	o, ok := canonicalOrigin(headers[0])
	return ok && len(headers) == 1 && a.origins[o]
}

// canonicalOrigin prints an origin as browsers do. "null" is none.
func canonicalOrigin(text string) (string, bool) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" || u.Hostname() == "" || u.User != nil || u.Opaque != "" ||
		u.Path != "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.ContainsAny(text, "#*") {
		return "", false
	}
	host := strings.ToLower(u.Host)
	for scheme, port := range map[string]string{"http": ":80", "https": ":443"} {
		if u.Scheme == scheme {
			host = strings.TrimSuffix(host, port)
		}
	}
	return u.Scheme + "://" + host, true
}

// host reports whether a Host header names a listener at own, which was reached at local. A
// name that is bent to this machine is still the name that the browser asked for, so an
// address is as good as the own name, unless it is the one that stands for all.
func (a *allowed) host(header, own string, local net.Addr) bool {
	header = strings.ToLower(header)
	name := header
	if h, _, err := net.SplitHostPort(header); err == nil {
		name = h
	}
	name = strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(name, "["), "]"), ".")
	if name == "" {
		return false
	}
	if a.hosts[header] || a.hosts[name] || name == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(name)
	if err != nil {
		return name == strings.ToLower(strings.TrimSuffix(own, "."))
	}
	ip = ip.Unmap()
	if ip.IsLoopback() {
		return true
	}
	if mine, err := netip.ParseAddr(own); err == nil && mine.Unmap() == ip && !ip.IsUnspecified() {
		return true
	}
	reached, err := netip.ParseAddrPort(local.String())
	return err == nil && reached.Addr().Unmap() == ip
}
