// SPDX-License-Identifier: Apache-2.0

package daemon_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/auth"
	"github.com/plexus-ipc/plexus/auth/token"
	"github.com/plexus-ipc/plexus/daemon"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/status"
)

// nameOf returns who a client is at its hub.
func nameOf(t *testing.T, c *plexus.Client) string {
	t.Helper()
	var list operation.MemberList
	must(t, c.Operate(t.Context(), operation.Members, operation.Place{}, &list))
	for _, m := range list.Members {
		if m.ID == c.ID() {
			return m.Identity
		}
	}
	t.Fatal("not there")
	return ""
}

// A client is called after its certificate: the SPIFFE id, else the DNS name, else the common
// name. Who has none, one of another CA, or one whose time is over, does not come in.
func TestCertificateIdentity(t *testing.T) {
	a, other := newAuthority(t), newAuthority(t)
	files := a.files("server")
	files.CA = a.path("ca")
	r := start(t, daemon.Config{Listen: []string{"tls://127.0.0.1:0"}, TLS: files})
	spiffe, err := url.Parse("spiffe://example.org/backup")
	must(t, err)
	for _, c := range []struct {
		name   string
		by     *authority
		change func(*x509.Certificate)
		want   string // "" if it is refused
	}{
		{"cn", a, nil, "cn:cn"},
		{"dns", a, func(c *x509.Certificate) { c.DNSNames = []string{"b.example", "c.example"} }, "dns:b.example"},
		{"uri", a, func(c *x509.Certificate) {
			c.DNSNames, c.URIs = []string{"b.example"}, []*url.URL{spiffe}
		}, "spiffe://example.org/backup"},
		{"two-uris", a, func(c *x509.Certificate) { c.URIs = []*url.URL{spiffe, spiffe} }, "cn:two-uris"},
		{"wrong-ca", other, nil, ""},
		{"expired", a, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }, ""},
		{"not-yet", a, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) }, ""},
		{"server-only", a, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.by.change = c.change
			own := c.by.files(c.name)
			own.CA = a.path("ca")
			conf, err := own.Client()
			must(t, err)
			cl, err := plexus.Dial(t.Context(), r.Endpoints()[0], &plexus.DialOptions{TLS: conf})
			if c.want == "" {
				if err == nil {
					t.Fatal("it came in")
				}
				return
			}
			must(t, err)
			defer cl.Close()
			if got := nameOf(t, cl); got != c.want {
				t.Fatal(got)
			}
		})
	}
}

// serial is that of the certificate that a server shows.
func serial(t *testing.T, address string) string {
	t.Helper()
	c, err := tls.Dial("tcp", strings.TrimPrefix(address, "tls://"), &tls.Config{InsecureSkipVerify: true})
	must(t, err)
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].SerialNumber.String()
}

// A certificate that is replaced is shown to those who come then, without a restart; a broken
// one is not.
func TestCertificateRotation(t *testing.T) {
	a := newAuthority(t)
	r := start(t, daemon.Config{Listen: []string{"tls://127.0.0.1:0"}, TLS: a.files("server")})
	address := r.Endpoints()[0]
	conf, err := daemon.TLSFiles{CA: a.path("ca")}.Client()
	must(t, err)
	stays := dial(t, address, &plexus.DialOptions{TLS: conf})
	first := serial(t, address)
	made, _ := a.issue("server", a.cert)
	await(t, func() bool { return serial(t, address) == made.SerialNumber.String() })
	if first == made.SerialNumber.String() {
		t.Fatal("the same")
	}
	must(t, os.WriteFile(a.path("server"), []byte("broken"), 0o600))
	late := time.Now().Add(2 * time.Second)
	await(t, func() bool { return serial(t, address) == made.SerialNumber.String() && time.Now().After(late) })
	again, _ := a.issue("server", a.cert)
	await(t, func() bool { return serial(t, address) == again.SerialNumber.String() })
	must(t, stays.Operate(t.Context(), operation.Status, operation.Empty{}, nil))
}

// await waits for what another goroutine is about to do.
func await(t *testing.T, f func() bool) {
	t.Helper()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !f() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatal("it never happened")
		}
	}
}

func writeMode(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(text), mode))
	must(t, os.Chmod(path, mode))
}

// Issuers come and go while the hub runs: first the new one beside the old one, then alone.
func TestIssuerRotation(t *testing.T) {
	dir := folder(t)
	file, list := filepath.Join(dir, "issuers"), filepath.Join(dir, "revoked")
	old, err := token.NewIssuer()
	must(t, err)
	present, err := token.NewIssuer()
	must(t, err)
	writeMode(t, file, "# ours\n\n"+old.Public().String()+"\n", 0o644)
	writeMode(t, list, "{}", 0o644)
	r := start(t, daemon.Config{Listen: []string{"tcp://127.0.0.1:0"}, TokenIssuerFiles: []string{file}, RevokedFile: list})
	held := func(i *token.Issuer) *plexus.DialOptions {
		tok, err := i.Issue("alice", token.Terms{Rights: []auth.Right{{Verbs: []auth.Verb{"*"}}}}, time.Now())
		must(t, err)
		return &plexus.DialOptions{Token: token.Hold(tok)}
	}
	address := r.Endpoints()[0]
	a := dial(t, address, held(old))
	if _, err := plexus.Dial(t.Context(), address, held(present)); status.CodeOf(err) != status.Unauthenticated {
		t.Fatal(err)
	}
	writeMode(t, file, old.Public().String()+"\n"+present.Public().String()+"\n", 0o644)
	must(t, r.Reload(t.Context()))
	b := dial(t, address, held(present))
	if nameOf(t, a) != "token:alice" || nameOf(t, b) != "token:alice" {
		t.Fatal("who is that?")
	}
	for _, broken := range []struct {
		text string
		mode os.FileMode
	}{{"", 0o644}, {"# nobody", 0o644}, {"plexus_", 0o644}, {present.Public().String(), 0o666}} {
		writeMode(t, file, broken.text, broken.mode)
		if err := r.Reload(t.Context()); status.CodeOf(err) != status.InvalidArgument {
			t.Fatalf("%+v: %v", broken, err)
		}
		nameOf(t, a)
	}
	writeMode(t, file, present.Public().String(), 0o644)
	must(t, r.Reload(t.Context()))
	<-a.Done()
	if err := a.Err(); status.CodeOf(err) != status.Unauthenticated {
		t.Fatal(err)
	}
	nameOf(t, b)
	must(t, os.Remove(list))
	if err := r.Reload(t.Context()); err == nil {
		t.Fatal("a list that is gone revokes nothing any more")
	}
	nameOf(t, b)
	if n := strings.Count(r.log.String(), "sessions have ended"); n != 1 {
		t.Fatal(n)
	}
}

// What makes no sense is refused before anything is opened.
func TestProofConfig(t *testing.T) {
	dir := folder(t)
	empty, good := filepath.Join(dir, "empty"), filepath.Join(dir, "good")
	writeMode(t, empty, "\n", 0o600)
	writeMode(t, good, "0123456789abcdef", 0o600)
	for name, cfg := range map[string]daemon.Config{
		"empty secret":      {Secret: []byte{}},
		"empty secret file": {SecretFile: empty},
		"no file":           {SecretFile: filepath.Join(dir, "none")},
		"empty previous":    {SecretFile: good, PreviousSecretFile: empty},
		"previous alone":    {PreviousSecretFile: good},
		"two secrets":       {Secret: []byte("x"), SecretFile: good},
		"revoked alone":     {RevokedFile: good},
		"no issuer":         {TokenIssuerFiles: []string{empty}},
		"a secret's file":   {TokenIssuerFiles: []string{good}},
	} {
		if _, err := daemon.New(cfg); status.CodeOf(err) != status.InvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := daemon.ReadToken(good); status.CodeOf(err) != status.InvalidArgument || bytes.Contains([]byte(err.Error()), []byte("0123456789")) {
		t.Error(err)
	}
}

// A bridge that the daemon has itself survives that the secret is replaced on both hubs.
func TestBridgeSurvivesRotation(t *testing.T) {
	dir := folder(t)
	present, previous := filepath.Join(dir, "present"), filepath.Join(dir, "previous")
	old, next := []byte("old 0123456789abcdef"), []byte("new 0123456789abcdef")
	writeMode(t, present, string(old), 0o600)
	writeMode(t, previous, string(old), 0o600)
	far := start(t, daemon.Config{Listen: []string{unix(t)}, SecretFile: present, PreviousSecretFile: previous, AllowBridges: []string{"*"}})
	near := start(t, daemon.Config{Listen: []string{unix(t)}, SecretFile: present, PreviousSecretFile: previous, Bridges: far.Endpoints()})
	linked := func() bool {
		return strings.Count(near.log.String(), "bridge is linked") > strings.Count(near.log.String(), "bridge is not linked")
	}
	await(t, linked)
	writeMode(t, present, string(next), 0o600)
	for _, r := range []*running{far, near} {
		must(t, r.Reload(t.Context()))
	}
	writeMode(t, previous, string(next), 0o600)
	must(t, far.Reload(t.Context()))
	await(t, func() bool { return strings.Contains(near.log.String(), "bridge is not linked") })
	must(t, near.Reload(t.Context()))
	await(t, func() bool { return linked() && strings.Count(near.log.String(), "bridge is linked") > 1 })
	if strings.Contains(near.log.String(), "bridge ends") {
		t.Fatal(near.log.String())
	}
	c := dial(t, near.Endpoints()[0], &plexus.DialOptions{Secret: next})
	must(t, c.Operate(t.Context(), operation.Status, operation.Empty{}, nil))
}
