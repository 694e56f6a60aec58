// SPDX-License-Identifier: Apache-2.0

package subject

// Why a character is refused.
const (
	whyControl    = "a control character or line separator; remove it"
	whySpace      = "a space that is not U+0020; write a plain space"
	whyInvisible  = "which cannot be seen or turns the direction of text; remove it"
	whyDecomposed = "a part of a decomposed letter; normalise the name to NFC"
	whyReplaced   = "which is written as another character; normalise the name to NFC"
	whyComposed   = "which is one character with the one before; normalise the name to NFC"
	whyOrder      = "a mark in another order than usual; normalise the name to NFC"
	whyBroken     = "which is not a character of its own; the text was broken on its way"
)

// forbidden lists the code points that no name holds, in ascending order, beside
// the last two of every plane. Other languages copy this table; it does not depend
// on a version of Unicode. It is never written.
var forbidden = [...]struct {
	first, last rune
	why         string
}{
	{0x0000, 0x001f, whyControl},
	{0x007f, 0x009f, whyControl},
	{0x00a0, 0x00a0, whySpace},
	{0x00ad, 0x00ad, whyInvisible}, // soft hyphen
	{0x0300, 0x036f, whyDecomposed},
	{0x061c, 0x061c, whyInvisible}, // Arabic letter mark
	{0x1100, 0x11ff, whyDecomposed},
	{0x1680, 0x1680, whySpace},
	{0x17b4, 0x17b5, whyInvisible}, // Khmer inherent vowels
	{0x180b, 0x180f, whyInvisible}, // Mongolian selectors
	{0x2000, 0x200a, whySpace},
	{0x200b, 0x200f, whyInvisible}, // zero width, joiners, direction marks
	{0x2028, 0x2029, whyControl},
	{0x202a, 0x202e, whyInvisible}, // bidirectional embeddings and overrides
	{0x202f, 0x202f, whySpace},
	{0x205f, 0x205f, whySpace},
	{0x2060, 0x206f, whyInvisible}, // word joiner, isolates, deprecated formats
	{0x2800, 0x2800, whyInvisible}, // empty Braille pattern
	{0x3000, 0x3000, whySpace},
	{0x3099, 0x309a, whyDecomposed},
	{0x3164, 0x3164, whyInvisible}, // Hangul filler
	{0xd800, 0xdfff, whyBroken},    // surrogates: never in UTF-8, but other languages have them
	{0xe000, 0xf8ff, whyBroken},    // private use
	{0xfdd0, 0xfdef, whyBroken},    // noncharacters
	{0xfe00, 0xfe0f, whyInvisible}, // variation selectors
	{0xfeff, 0xfeff, whyInvisible}, // byte order mark
	{0xffa0, 0xffa0, whyInvisible}, // half-width Hangul filler
	{0xfff0, 0xfffb, whyInvisible}, // interlinear annotation
	{0xfffc, 0xffff, whyBroken},    // object replacement, replacement, noncharacters
	{0x1bca0, 0x1bca3, whyInvisible},
	{0x1d173, 0x1d17a, whyInvisible},
	{0xe0000, 0xe0fff, whyInvisible}, // tags, more variation selectors
	{0xf0000, 0x10ffff, whyBroken},   // private use
}
