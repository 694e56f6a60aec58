// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// noPort marks that an address names no port.
const noPort = -1

var (
	errUserinfo  = errors.New("a user name or password stands before the host; remove it, secrets do not belong in an address")
	errEmptyHost = errors.New("the host is empty; write a name or an address, or 0.0.0.0 or [::] to listen on all interfaces")
	errBrackets  = errors.New("the host has more than one colon; write an IPv6 address in brackets, as in [::1]:80")
	errNoPort    = errors.New("the port is missing; write host:port")
)

// splitHostPort cuts host[:port] at the last colon; brackets are removed and a
// missing port is noPort. The host is neither checked nor decoded.
func splitHostPort(s string) (host string, port int, err error) {
	if strings.Contains(s, "@") {
		return "", 0, errUserinfo
	}
	if strings.HasPrefix(s, "[") {
		return splitBracketed(s)
	}
	host, digits, found := cutLast(s, ":")
	if strings.Contains(host, ":") {
		return "", 0, errBrackets
	}
	if !found {
		return s, noPort, nil
	}
	port, err = parsePort(digits)
	return host, port, err
}

// splitBracketed cuts [v6]:port and decodes the zone.
func splitBracketed(s string) (host string, port int, err error) {
	host, rest, found := strings.Cut(s[1:], "]")
	if !found {
		return "", 0, errors.New("the closing bracket of the IPv6 address is missing; write [::1]:80")
	}
	if host, err = decodeZone(host); err != nil {
		return "", 0, err
	}
	if rest == "" {
		return host, noPort, nil
	}
	digits, found := strings.CutPrefix(rest, ":")
	if !found {
		return "", 0, errors.New("after the closing bracket stands something else than :port; write [::1]:80")
	}
	port, err = parsePort(digits)
	return host, port, err
}

// decodeZone turns "%25eth0" (RFC 6874) into "%eth0" and insists on IPv6.
func decodeZone(host string) (string, error) {
	address, zone, hasZone := strings.Cut(host, "%")
	if hasZone {
		zone = strings.TrimPrefix(zone, "25")
		address += "%" + zone
	}
	addr, err := netip.ParseAddr(address)
	if err != nil || !addr.Is6() {
		return "", fmt.Errorf("%s in brackets is not an IPv6 address; write it as in [::1] or [fe80::1%%25eth0]", clip(host))
	}
	return address, nil
}

// parsePort accepts 0 to 65535 in plain decimal.
func parsePort(digits string) (int, error) {
	plain := digits != "" && len(digits) <= 5 && (digits == "0" || digits[0] != '0')
	for i := range len(digits) {
		plain = plain && digits[i] >= '0' && digits[i] <= '9'
	}
	n, err := strconv.Atoi(digits)
	if !plain || err != nil {
		return 0, fmt.Errorf("the port %s is not a number from 0 to 65535 in plain decimal", clip(digits))
	}
	return n, checkPort(n)
}

func checkPort(n int) error {
	if n < 0 || n > 65535 {
		return fmt.Errorf("the port %d is outside 0 to 65535", n)
	}
	return nil
}

// canonicalHost checks a host without brackets and prints it in its one form.
func canonicalHost(host string) (string, error) {
	if host == "" {
		return "", errEmptyHost
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.String(), checkZone(addr.Zone())
	}
	if strings.ContainsAny(host, ":%") {
		return "", fmt.Errorf("the host %s is neither a name nor an IP address", clip(host))
	}
	host = lowerASCII(host)
	labels := strings.Split(strings.TrimSuffix(host, "."), ".")
	if len(host) > 253 || !labelsOK(labels) {
		return "", fmt.Errorf("the host %s is not a DNS name; use letters, digits, '-', '_' and dots (punycode for others)", clip(host))
	}
	if looksNumeric(labels[len(labels)-1]) {
		return "", fmt.Errorf("the host %s looks like an IPv4 address but is none; write four decimal numbers", clip(host))
	}
	return host, nil
}

// checkZone allows what an interface name holds and a URL need not encode.
func checkZone(zone string) error {
	for i := range len(zone) {
		if !isUnreserved(zone[i]) {
			return fmt.Errorf("the IPv6 zone %s holds other characters than letters, digits and - . _ ~", clip(zone))
		}
	}
	return nil
}

func labelsOK(labels []string) bool {
	for _, label := range labels {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			if c := label[i]; !isAlnum(c) && c != '-' && c != '_' {
				return false
			}
		}
	}
	return true
}

// looksNumeric is the WHATWG rule: such a last label would be read as IPv4 by some resolvers.
func looksNumeric(label string) bool {
	if digits, ok := strings.CutPrefix(label, "0x"); ok {
		return strings.Trim(digits, "0123456789abcdef") == ""
	}
	return strings.Trim(label, "0123456789") == ""
}

// lowerASCII leaves letters outside ASCII alone: some of them have ASCII lower case.
func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, s)
}

// cutLast is strings.Cut at the last separator.
func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// maskUserinfo hides what stands before the '@' of a host, for messages.
func maskUserinfo(input string) string {
	start := strings.Index(input, "//") + 2
	if start < 2 {
		start = 0
	}
	authority := input[start:]
	if end := strings.IndexAny(authority, "/?"); end >= 0 {
		authority = authority[:end]
	}
	at := strings.LastIndex(authority, "@")
	if at <= 0 || authority[at-1] == ':' {
		return input
	}
	return input[:start] + "***" + input[start+at:]
}
