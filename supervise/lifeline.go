// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"strings"

	"github.com/plexus-ipc/plexus/endpoint"
)

// The environment of a child, besides endpoint.EnvVar.
const (
	// LifelineVar holds the number of the lifeline's descriptor.
	LifelineVar = "PLEXUS_LIFELINE"
	// DirVar holds the path of the child's own directory.
	DirVar = "PLEXUS_CHILD_DIR"
	// addressVar is what the verbs of plexus look at.
	addressVar = "PLEXUS_ADDRESS"
)

// What a child writes into the lifeline, a line each.
const (
	wordHere   = "here"   // ask me before you signal
	wordLinked = "linked" // I have connected
	wordReady  = "ready"  // … and an address, if it listens
)

// maxReport bounds a line of the lifeline in bytes.
const maxReport = 8 << 10

// halfCloser is a socket of which one direction can be ended.
type halfCloser interface {
	net.Conn
	CloseWrite() error
}

// plug makes a socket of a file, which it closes.
func plug(f *os.File) (halfCloser, error) {
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	h, ok := c.(halfCloser)
	if !ok {
		c.Close()
		return nil, errors.New("the descriptor is no stream socket")
	}
	return h, nil
}

// listen reads what the child reports until it can report no more.
func (c *Child) listen(life io.Reader) {
	lines := bufio.NewScanner(life)
	lines.Buffer(make([]byte, 256), maxReport)
	for lines.Scan() {
		word, rest, _ := strings.Cut(strings.TrimSpace(lines.Text()), " ")
		switch word {
		case wordHere:
			c.listens.Store(true)
		case wordLinked:
			c.linked.Store(true)
		case wordReady:
			c.reported(strings.TrimSpace(rest))
		default:
			c.cfg.Log.Debug("child says on its lifeline what is not known", "child", c.cfg.Name, "word", word)
		}
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		c.cfg.Log.Warn("child writes too long a line into its lifeline, which is read no more", "child", c.cfg.Name, "limit", maxReport)
		_, _ = io.Copy(io.Discard, life)
	}
}

// reported notes that the child says it is ready, and where it listens.
func (c *Child) reported(address string) {
	if address != "" {
		ep, err := endpoint.Parse(address)
		if err != nil {
			c.cfg.Log.Warn("child reports an address that is none", "child", c.cfg.Name, "err", err)
			return
		}
		c.mu.Lock()
		c.endpoint = ep.String()
		c.mu.Unlock()
	}
	c.said.Do(func() { close(c.saidReady) })
}
