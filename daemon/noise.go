// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"bytes"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/noise"
	"github.com/plexus-ipc/plexus/transport/socket"
)

// maxNoiseFile is the longest file with keys that is read, in bytes: some ten thousand keys.
const maxNoiseFile = 1 << 20

// NoiseFiles names the keys for noise+tcp addresses.
type NoiseFiles struct {
	Shared   string   // file with the shared key, or ""
	Previous []string // files with shared keys that a listener still takes
	Private  string   // file with the own private key, or ""
	Admit    string   // file with the public keys that a listener takes, one a line; "#" begins a comment
	Server   string   // the public key of the listener that is dialled, or @ and a file with it
}

// given reports whether any key is named.
func (f *NoiseFiles) given() bool {
	return f.Shared != "" || f.Private != "" || f.Admit != "" || f.Server != "" || len(f.Previous) > 0
}

// listens reports whether there is enough for a listener.
func (f *NoiseFiles) listens() bool { return f.Shared != "" || f.Private != "" && f.Admit != "" }

// Drivers returns the driver for noise+tcp, or none if no key is named. The files are read
// now, Admit also later, when it has changed. log, if not nil, is warned of files that others can read.
func (f *NoiseFiles) Drivers(log *slog.Logger) ([]transport.Transport, error) {
	if !f.given() {
		return nil, nil
	}
	cfg, err := f.config(log)
	if err != nil {
		return nil, err
	}
	d, err := noise.New(socket.TCP(), cfg)
	if err != nil {
		return nil, status.Errorf(status.InvalidArgument, "%w", err)
	}
	return []transport.Transport{d}, nil
}

func (f *NoiseFiles) config(log *slog.Logger) (cfg noise.Config, err error) {
	if cfg.Shared, err = readNoise(f.Shared, noise.ParseKey, log); err != nil {
		return cfg, err
	}
	for _, path := range f.Previous {
		k, err := readNoise(path, noise.ParseKey, log)
		if err != nil {
			return cfg, err
		}
		cfg.Previous = append(cfg.Previous, k)
	}
	if cfg.Private, err = readNoise(f.Private, noise.ParsePrivateKey, log); err != nil {
		return cfg, err
	}
	if f.Server != "" {
		if cfg.Server, err = f.server(); err != nil {
			return cfg, err
		}
	}
	if f.Admit != "" {
		list, err := newAdmitted(f.Admit, log)
		if err != nil {
			return cfg, err
		}
		cfg.Admit = list.has
	}
	return cfg, nil
}

func (f *NoiseFiles) server() (noise.PublicKey, error) {
	text := f.Server
	if path, ok := strings.CutPrefix(text, "@"); ok {
		b, _, err := readBounded("Noise key", path, maxNoiseFile)
		if err != nil {
			return noise.PublicKey{}, err
		}
		text, _, _ = strings.Cut(string(b), "#")
	}
	k, err := noise.ParsePublicKey(text)
	if err != nil {
		return k, status.Errorf(status.InvalidArgument, "--noise-server: %w", err)
	}
	return k, nil
}

// ReadNoisePrivateKey reads a private key from a file.
func ReadNoisePrivateKey(path string) (noise.PrivateKey, error) {
	return readNoise(path, noise.ParsePrivateKey, nil)
}

// readNoise reads the key in a file; for "" it is the zero key.
func readNoise[K any](path string, parse func(string) (K, error), log *slog.Logger) (k K, err error) {
	if path == "" {
		return k, nil
	}
	b, warning, err := readPrivate("Noise key", path, maxNoiseFile)
	if err != nil {
		return k, err
	}
	if warning != "" && log != nil {
		log.Warn(warning)
	}
	if k, err = parse(string(b)); err != nil {
		return k, status.Errorf(status.InvalidArgument, "the Noise key file %s: %w", path, err)
	}
	return k, nil
}

// admitted are the public keys in a file, which is read anew when it has changed. A file
// that has become unreadable or wrong changes nothing, and is told once.
type admitted struct {
	path string
	log  *slog.Logger

	mu    sync.Mutex
	keys  []noise.PublicKey
	stamp stamp
}

func newAdmitted(path string, log *slog.Logger) (*admitted, error) {
	a := &admitted{path: path, log: log}
	err := a.read()
	return a, err
}

// has reports whether a key is in the file now.
func (a *admitted) has(k noise.PublicKey) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	info, err := os.Stat(a.path)
	now := stamp{}
	if err == nil {
		now.info = info
	}
	if !now.same(a.stamp) {
		if err = a.read(); err != nil && a.log != nil {
			a.log.Warn("the keys that were admitted before still are", "error", err.Error())
		}
		a.stamp = now
	}
	return slices.Contains(a.keys, k)
}

func (a *admitted) read() error {
	b, info, err := readBounded("Noise admission", a.path, maxNoiseFile)
	if err != nil {
		return err
	}
	if err := trusted("Noise admission", a.path, info); err != nil {
		return err
	}
	var keys []noise.PublicKey
	for i, line := range strings.Split(string(bytes.TrimSpace(b)), "\n") {
		text, _, _ := strings.Cut(line, "#")
		if strings.TrimSpace(text) == "" {
			continue
		}
		k, err := noise.ParsePublicKey(text)
		if err != nil {
			return status.Errorf(status.InvalidArgument, "the Noise admission file %s, line %d: %w", a.path, i+1, err)
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 && a.keys == nil {
		return status.Errorf(status.InvalidArgument, "the Noise admission file %s has no key in it", a.path)
	}
	a.keys, a.stamp = keys, stamp{info}
	return nil
}
