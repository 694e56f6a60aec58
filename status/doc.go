// SPDX-License-Identifier: Apache-2.0

// Package status holds the codes by which Plexus says what went wrong, and Error, which
// carries one together with a sentence, who said it and whether a retry is safe.
//
// Codes are errors themselves, so errors.Is(err, status.NoProvider) works for any error
// that wraps a coded one. Where a code means the same as an error of the standard
// library (context.Canceled, context.DeadlineExceeded, net.ErrClosed,
// errors.ErrUnsupported, fs.ErrPermission), errors.Is finds that one, too.
package status
