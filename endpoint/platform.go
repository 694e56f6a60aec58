// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"runtime"
)

// Supported says whether this platform can use e. The error is a *PlatformError,
// which is an errors.ErrUnsupported. Nil does not promise that dialling succeeds,
// nor that the program has the transport in its set.
func (e Endpoint) Supported() error { return e.SupportedOn(runtime.GOOS) }

// SupportedOn is Supported for the platform that runtime.GOOS calls goos. A
// third-party scheme is supported everywhere, as far as this package knows.
func (e Endpoint) SupportedOn(goos string) error {
	if reason := e.lacking(goos); reason != "" {
		return &PlatformError{Endpoint: e, GOOS: goos, Reason: reason}
	}
	return nil
}

// lacking is what a platform lacks for e, or "".
func (e Endpoint) lacking(goos string) string {
	linux := goos == "linux" || goos == "android"
	switch {
	case e.IsZero():
		return "it is no address"
	case e.Abstract() && !linux:
		return "abstract socket names exist on Linux only"
	case e.scheme == "unixpacket" && (goos == "windows" || goos == "darwin" || goos == "ios"):
		return "it has no sequenced-packet sockets; use unix"
	case e.scheme == "unixgram" && goos == "windows":
		return "it has no Unix datagram sockets; use unix"
	case e.scheme == "npipe" && goos != "windows":
		return "named pipes exist on Windows only; use unix"
	case e.scheme == "mq" && !linux:
		return "POSIX message queues are used on Linux only; use unix"
	case goos == "windows" && (e.scheme == "shm" || e.scheme == "mmap"):
		return "rings in shared memory are not available there; use npipe"
	case goos == "windows" && e.scheme == "fd":
		return "descriptors are not inherited by number there; use stdio or npipe"
	case isDrive(e.path) && goos != "windows":
		return "a path with a drive letter exists on Windows only"
	}
	return ""
}
