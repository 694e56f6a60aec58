// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"bytes"
	"context"
	"strings"

	"github.com/plexus-ipc/plexus/auth"
	"github.com/plexus-ipc/plexus/auth/token"
	"github.com/plexus-ipc/plexus/status"
)

// maxIssuers is the length of the longest file of issuers, and of a token's, in bytes.
const maxIssuers = 64 << 10

// ReadToken reads a token from a file. The warning, if not "", says that others can read it,
// too: they are who it names.
func ReadToken(path string) (t *token.Token, warning string, err error) {
	content, warning, err := readPrivate("token", path, maxIssuers)
	if err != nil {
		return nil, "", err
	}
	if t, err = token.Parse(string(content)); err != nil {
		return nil, "", status.Errorf(status.InvalidArgument, "the token file %s: %s", path, status.Convert(err).Message)
	}
	return t, warning, nil
}

// ReadIssuer reads the private key of an issuer from a file, as ReadToken does.
func ReadIssuer(path string) (i *token.Issuer, warning string, err error) {
	content, warning, err := readPrivate("issuer's key", path, maxIssuers)
	if err != nil {
		return nil, "", err
	}
	if i, err = token.ParseIssuer(string(content)); err != nil {
		return nil, "", status.Errorf(status.InvalidArgument, "the file %s: %s", path, status.Convert(err).Message)
	}
	return i, warning, nil
}

// ReadTrust reads whose tokens are taken: files with a public key a line, of which empty ones
// and those that begin with # do not count, and the list of revoked tokens, "" for none.
func ReadTrust(issuers []string, revoked string) (t token.Trust, err error) {
	for _, path := range issuers {
		keys, err := readIssuers(path)
		if err != nil {
			return t, err
		}
		t.Issuers = append(t.Issuers, keys...)
	}
	if revoked == "" {
		return t, nil
	}
	list, err := readTrusted("list of revoked tokens", revoked, token.MaxRevoked)
	if err != nil {
		return t, err
	}
	if t.Revoked, err = token.ParseRevoked(list); err != nil {
		return t, status.Errorf(status.InvalidArgument, "%s: %s", revoked, status.Convert(err).Message)
	}
	return t, nil
}

func readIssuers(path string) (keys []token.PublicKey, err error) {
	content, err := readTrusted("issuers", path, maxIssuers)
	if err != nil {
		return nil, err
	}
	number := 0
	for line := range bytes.Lines(content) {
		number++
		text := strings.TrimSpace(string(line))
		if text == "" || text[0] == '#' {
			continue
		}
		k, err := token.ParsePublicKey(text)
		if err != nil {
			return nil, status.Errorf(status.InvalidArgument, "%s:%d: %s", path, number, status.Convert(err).Message)
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil, status.Errorf(status.InvalidArgument, "the issuers file %s names no issuer", path)
	}
	return keys, nil
}

// secrets reads the present secret, nil if there is none, and those before it.
func (d *Daemon) secrets() (present []byte, opts *auth.SecretOptions, err error) {
	opts = &auth.SecretOptions{}
	present = d.cfg.Secret
	if d.cfg.SecretFile != "" {
		if present, err = d.readSecret(d.cfg.SecretFile); err != nil {
			return nil, nil, err
		}
	}
	if d.cfg.PreviousSecretFile == "" {
		return present, opts, nil
	}
	if present == nil {
		return nil, nil, status.Errorf(status.InvalidArgument, "a previous secret is given, and no present one: clients would need none")
	}
	old, err := d.readSecret(d.cfg.PreviousSecretFile)
	opts.Previous = [][]byte{old}
	return present, opts, err
}

func (d *Daemon) readSecret(path string) ([]byte, error) {
	secret, warning, err := ReadSecret(path)
	if warning != "" {
		d.log.Warn(warning)
	}
	return secret, err
}

// buildProofs makes what clients are judged by, and has it reloaded.
func (d *Daemon) buildProofs() (secret *auth.SharedSecret, tokens *token.Verifier, err error) {
	present, opts, err := d.secrets()
	if err != nil {
		return nil, nil, err
	}
	d.known.Store(&present)
	if d.secret = present != nil; d.secret {
		if secret, err = auth.Secret(present, opts); err != nil {
			return nil, nil, err
		}
		if w := secret.Warning(); w != "" {
			d.log.Warn(w)
		}
	}
	if d.cfg.SecretFile != "" {
		d.OnReload("secret", func(context.Context) error { return d.reloadSecret(secret) })
	}
	if len(d.cfg.TokenIssuerFiles) == 0 {
		if d.cfg.RevokedFile != "" {
			return nil, nil, status.Errorf(status.InvalidArgument, "a list of revoked tokens is given, and no issuer: no token would be taken")
		}
		return secret, nil, nil
	}
	trust, err := d.readTrust()
	if err != nil {
		return nil, nil, err
	}
	tokens = token.NewVerifier(trust)
	d.OnReload("tokens", func(context.Context) error { return d.reloadTrust(tokens) })
	return secret, tokens, nil
}

func (d *Daemon) readTrust() (token.Trust, error) {
	trust, err := ReadTrust(d.cfg.TokenIssuerFiles, d.cfg.RevokedFile)
	trust.Hub = d.hub.ID()
	return trust, err
}

func (d *Daemon) reloadSecret(s *auth.SharedSecret) error {
	present, opts, err := d.secrets()
	if err != nil {
		return err
	}
	d.known.Store(&present) // for the bridges that come back
	ended, err := s.Replace(present, opts)
	if err != nil {
		return err
	}
	if w := s.Warning(); w != "" {
		d.log.Warn(w)
	}
	d.tellEnded("secret", ended)
	return nil
}

func (d *Daemon) reloadTrust(v *token.Verifier) error {
	trust, err := d.readTrust()
	if err != nil {
		return err
	}
	d.tellEnded("tokens", v.SetTrust(trust))
	return nil
}

func (d *Daemon) tellEnded(what string, sessions int) {
	if sessions > 0 {
		d.log.Warn("sessions have ended: what they were authenticated by is taken no more", "what", what, "sessions", sessions)
	}
}
