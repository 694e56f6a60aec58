// SPDX-License-Identifier: Apache-2.0

package auth

import "github.com/plexus-ipc/plexus/status"

// script is an Exchange of a known number of steps. One step runs per message; after the
// last one it is done, after an error it stays failed.
type script struct {
	other Identity // what Identity returns once done
	steps []step   // what is still to come
	err   error    // why it failed
}

type step func(in []byte) (out []byte, err error)

func (s *script) Step(in []byte) (out []byte, done bool, err error) {
	if s.err == nil {
		out, s.err = s.next(in)
	}
	if s.err != nil {
		return nil, false, s.err
	}
	return out, len(s.steps) == 0, nil
}

func (s *script) next(in []byte) ([]byte, error) {
	if len(s.steps) == 0 {
		return nil, errAfterEnd()
	}
	if err := checkLength(in); err != nil {
		return nil, err
	}
	now := s.steps[0]
	s.steps = s.steps[1:]
	return now(in)
}

func (s *script) Identity() Identity {
	if s.err != nil || len(s.steps) > 0 {
		return nobody()
	}
	return s.other
}

// silent is the step of a mechanism that neither sends nor takes anything.
func silent(in []byte) ([]byte, error) {
	if len(in) > 0 {
		return nil, status.Errorf(status.Protocol, "%d bytes of authentication where none belong", len(in))
	}
	return nil, nil
}

func checkLength(message []byte) error {
	if len(message) > MaxStep {
		return status.Errorf(status.Protocol, "authentication message of %d bytes, allowed are %d", len(message), MaxStep)
	}
	return nil
}

func errAfterEnd() error {
	return status.Errorf(status.Protocol, "authentication message after the end of the exchange")
}
