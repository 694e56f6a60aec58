// SPDX-License-Identifier: Apache-2.0

// Package subject checks names and matches them against patterns.
//
// # Names
//
// Channels, methods, topics and members have names of the same grammar: one or
// more tokens joined by dots, at most 255 bytes of UTF-8. Names are compared byte
// by byte. So that two names which look alike to a reader are not two names to
// the program, and so that a name may be logged as it is, these are refused:
//
//   - an empty name and an empty token ("a..b", ".a", "a."),
//   - the characters of patterns and of method addresses: '*', '>' and '/',
//   - control characters, line separators, and spaces other than U+0020, which may
//     stand inside a token but not at its beginning or end,
//   - invisible characters: zero-width ones, joiners, fillers, variation selectors,
//     tags, bidirectional marks and overrides, byte order marks,
//   - U+FFFD (what decoders leave of broken text), noncharacters, private use,
//   - a token that begins with a combining mark, and more than 8 marks in a row,
//   - decomposed letters (U+0300–U+036F, U+1100–U+11FF, U+3099, U+309A): write é and
//     not e and an accent. Normalise to NFC before you ask; a letter that NFC cannot
//     compose with its accent cannot be used. This package does not normalise,
//   - whatever else NFC would change: signs that stand for a letter (the ångström's), compatibility
//     ideographs, pairs that are one character, marks out of order.
//
// Upper and lower case differ. Look-alikes of different scripts are not detected,
// and code points that Unicode has not assigned yet are accepted.
//
// A channel whose name begins with '$' is Plexus's own, and so is such a member:
// see [Reserved] and [ValidateSystemChannel].
//
// A method of a channel is addressed as channel/method: see [SplitMethod].
//
// # Patterns
//
// A pattern is a name of which whole tokens may be '*', which stands for exactly
// one token, and of which the last may be '>', which stands for one or more:
//
//	quotes.acme      itself only
//	quotes.*         quotes.acme, but neither quotes nor quotes.acme.bid
//	quotes.*.bid     quotes.acme.bid
//	quotes.>         quotes.acme and quotes.acme.bid, but not quotes
//	>                everything
//
// [Match] compares one pattern with one name; a [Trie] finds all of many patterns.
package subject
