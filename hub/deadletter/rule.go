// SPDX-License-Identifier: Apache-2.0

package deadletter

import (
	"slices"
	"strings"
	"time"

	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/subject"
)

// Rule chooses messages that are kept when somebody misses them.
type Rule struct {
	Channel string   // a name or pattern
	Name    string   // of the topic, event or method: a name or pattern
	Reasons []string // why they were missed; nil: Reasons, for which the sender was not told
}

// Reasons are those that a Rule without any stands for: nobody else says that the message is lost.
func Reasons() []string {
	return []string{
		QueueFull.String(), Closed.String(), TooLarge.String(), Refused.String(), Nobody.String(),
		operation.ReasonNoSubscriber, operation.ReasonDrain, operation.ReasonAttempts, operation.ReasonExpired,
	}
}

// known are all reasons there are: one more, for which the sender has been told.
func known() []string { return append(Reasons(), Malformed.String()) }

// ParseRule reads "channel/name" or "channel/name=reason,reason", with patterns for both names.
func ParseRule(text string) (Rule, error) {
	where, reasons, some := strings.Cut(text, "=")
	channel, name, ok := strings.Cut(where, "/")
	r := Rule{Channel: channel, Name: name}
	if !ok {
		return r, status.Errorf(status.InvalidArgument, "%q is no rule for dead letters: write channel/name, as in orders/> or jobs/*=queue_full,closed", text)
	}
	if some {
		r.Reasons = strings.Split(reasons, ",")
	}
	return r, r.Valid()
}

// Valid returns what is wrong with r, or nil.
func (r *Rule) Valid() error {
	for _, p := range []string{r.Channel, r.Name} {
		if err := subject.ValidatePattern(p); err != nil {
			return status.Errorf(status.InvalidArgument, "%w", err)
		}
	}
	if subject.Reserved(r.Channel) {
		return status.Errorf(status.InvalidArgument, "what is sent on channel %s is not kept", r.Channel)
	}
	if r.Reasons != nil && len(r.Reasons) == 0 {
		return status.Errorf(status.InvalidArgument, "a rule for dead letters needs a reason")
	}
	for _, why := range r.Reasons {
		if !slices.Contains(known(), why) {
			return status.Errorf(status.InvalidArgument, "%q is no reason to keep a dead letter: it is one of %s", why, strings.Join(known(), ", "))
		}
	}
	return nil
}

// Fits reports whether r keeps a message.
func (r *Rule) Fits(channel, name, reason string) bool {
	if r.Reasons == nil {
		if reason == names[Malformed] {
			return false
		}
	} else if !slices.Contains(r.Reasons, reason) {
		return false
	}
	return !subject.Reserved(channel) && subject.Match(r.Channel, channel) && subject.Match(r.Name, name)
}

// Keeps reports whether a message is kept that was missed for a reason.
func (k *Keeping) Keeps(channel, name, reason string) bool {
	for i := range k.Rules {
		if k.Rules[i].Fits(channel, name, reason) {
			return true
		}
	}
	return false
}

// Touches reports whether a message of a name may be kept for one reason or another.
func (k *Keeping) Touches(channel, name string) bool {
	for i := range k.Rules {
		if r := &k.Rules[i]; subject.Match(r.Channel, channel) && subject.Match(r.Name, name) {
			return true
		}
	}
	return false
}

// CheckFilter returns what is wrong with a filter, or nil. all says that it must not choose
// everything without saying so.
func CheckFilter(f *operation.DeadLetterFilter, all bool) error {
	if len(f.IDs) > operation.MaxDeadLetterPage {
		return status.Errorf(status.InvalidArgument, "%d ids are given, at most %d are taken", len(f.IDs), operation.MaxDeadLetterPage)
	}
	for _, p := range []string{f.Channel, f.Name} {
		if p != "" {
			if err := subject.ValidatePattern(p); err != nil {
				return status.Errorf(status.InvalidArgument, "%w", err)
			}
		}
	}
	if all && !f.All && !f.Chooses() {
		return status.Errorf(status.InvalidArgument, "nothing says which dead letters are meant: choose some, or say all")
	}
	return nil
}

// Chosen reports whether a filter that has been checked chooses r.
func Chosen(f *operation.DeadLetterFilter, r *Record, now time.Time) bool {
	is := func(want, have string) bool { return want == "" || want == have }
	fits := func(pattern, name string) bool { return pattern == "" || subject.Match(pattern, name) }
	return (len(f.IDs) == 0 || slices.Contains(f.IDs, r.ID)) && fits(f.Channel, r.Channel) && fits(f.Name, r.Name) &&
		is(f.Kind, r.Kind) && is(f.Reason, r.Reason) && is(f.Sender, r.Sender.ID) && is(f.Receiver, r.Receiver) &&
		(f.OlderThan <= 0 || now.Sub(r.Time).Seconds() >= f.OlderThan)
}
