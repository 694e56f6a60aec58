// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"time"

	"github.com/plexus-ipc/plexus/hub/deadletter"
	"github.com/plexus-ipc/plexus/hub/deadletter/bolt"
	"github.com/plexus-ipc/plexus/status"
)

// DeadLetters says which messages that nobody got are kept, in a file. The zero value keeps none.
// The file is opened by New and closed at the end of Run.
type DeadLetters struct {
	// Path is the file, or a folder for it.
	Path string
	// Rules choose what is kept, at least one with a Path: "channel/name" or
	// "channel/name=reason,reason", with patterns for both names.
	Rules []string
	// MaxRecords, MaxBytes and MaxAge bound what is kept, see bolt.Options.
	MaxRecords, MaxBytes int
	MaxAge               time.Duration
	// QueueBytes bounds what waits in memory to be written, see deadletter.Keeping.
	QueueBytes int
}

// parse reads the rules.
func (c *DeadLetters) parse() (rules []deadletter.Rule, err error) {
	for _, text := range c.Rules {
		r, err := deadletter.ParseRule(text)
		if err != nil {
			return nil, err
		}
		rules = append(rules, r)
	}
	switch {
	case c.Path == "" && len(rules) > 0:
		return nil, status.Errorf(status.InvalidArgument, "rules for dead letters are given, but no file for them (--dead-letters)")
	case c.Path != "" && len(rules) == 0:
		return nil, status.Errorf(status.InvalidArgument, "nothing says which messages become dead letters: name them (--dead-letter 'orders/>', or '>/>' for all)")
	}
	return rules, nil
}

// openLetters opens the file. Its end is closeLetters.
func (d *Daemon) openLetters() (k deadletter.Keeping, err error) {
	c := &d.cfg.DeadLetters
	if k.Rules, err = c.parse(); err != nil || c.Path == "" {
		return k, err
	}
	d.letters, err = bolt.Open(c.Path, &bolt.Options{MaxRecords: c.MaxRecords, MaxBytes: int64(c.MaxBytes), MaxAge: c.MaxAge, Log: d.log})
	if err != nil {
		return k, err
	}
	k.Store, k.QueueBytes = d.letters, c.QueueBytes
	return k, nil
}

// closeLetters closes the file, once all is in it.
func (d *Daemon) closeLetters() {
	if d.letters == nil {
		return
	}
	if err := d.letters.Close(); err != nil {
		d.log.Warn("the file of dead letters did not close well", "error", err.Error())
	}
}
