// SPDX-License-Identifier: Apache-2.0

package endpoint

// How a parent tells a child process where to connect. Hand over what the listener
// reports, not what it was asked for: port 0 and auto names cannot be dialled.
const (
	EnvVar = "PLEXUS_ENDPOINT"   // environment variable
	Flag   = "--plexus-endpoint" // command-line argument
)

// Args is the command-line argument that tells a child to connect to e.
func Args(e Endpoint) []string { return []string{Flag + "=" + e.String()} }

// Env is the environment entry that tells a child to connect to e. Append it to
// the environment of the child: the last entry wins.
func Env(e Endpoint) []string { return []string{EnvVar + "=" + e.String()} }

// FromEnv reads what Env wrote, with os.Getenv or a substitute for it. Without the
// variable it is the zero Endpoint and no error. The error is a *ParseError.
func FromEnv(getenv func(string) string) (Endpoint, error) {
	text := getenv(EnvVar)
	if text == "" {
		return Endpoint{}, nil
	}
	return Parse(text)
}

// FromArgs reads what Args wrote, in one argument or in two, and gives the other
// arguments back; what follows "--" is not looked at. Without the flag it is the
// zero Endpoint and no error. The error is a *ParseError.
func FromArgs(args []string) (e Endpoint, rest []string, err error) {
	values, rest, err := takeFlags(args, Flag)
	if err != nil {
		return Endpoint{}, nil, refuse(Flag, err)
	}
	text, found := values[Flag]
	if !found {
		return Endpoint{}, rest, nil
	}
	if e, err = Parse(text); err != nil {
		return Endpoint{}, nil, err
	}
	return e, rest, nil
}
