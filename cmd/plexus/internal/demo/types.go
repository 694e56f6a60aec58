// SPDX-License-Identifier: Apache-2.0

package demo

// What travels between the processes of the demo: ordinary Go types.

// query asks the index for lines in which a word stands.
type query struct {
	Word  string
	Limit int
}

// hit is a line.
type hit struct {
	File string
	Line int
	Text string
}

// hits answers query: how many lines there are, and the first Limit of them.
type hits struct {
	Total int
	First []hit
}

// grep asks for a stream of all lines that contain a text. Token names the stream.
type grep struct {
	Text  string
	Token string
}

// built answers build.
type built struct {
	Files, Lines, Words int
	Digest              string
}

// progress is published for each file that has been indexed.
type progress struct {
	Done, Total int
	File        string
	Sent        int64 // when, in nanoseconds since 1970
}

// lap is an event. N counts from 1.
type lap struct {
	Token string
	N     int
	Sent  int64
}

// tallyOf asks how many laps of a token have come; it is answered when there are Want.
type tallyOf struct {
	Token string
	Want  int
}

// tally answers tallyOf.
type tally struct {
	Count   int
	Ordered bool
}

// announce asks the index to broadcast N laps.
type announce struct {
	Token string
	N     int
}

// wordCount is a word and how often it stands in the corpus.
type wordCount struct {
	Word  string
	Count int
}

// counted answers an upload of lines.
type counted struct{ Lines, Words, Bytes int }

// The words that are searched for and looked up: some are everywhere, some nowhere.
func sampleWords() []string {
	return []string{"func", "error", "return", "context", "Close", "struct", "string", "nil", "main", "plexus", "zz_no_such_word"}
}

// How much of each a consumer does.
const (
	searches   = 1000
	callers    = 16
	perCaller  = 100
	searchTop  = 20
	fileCount  = 100
	lookups    = 500
	laps       = 1000
	announced  = 200
	uploaded   = 50 // files
	earlyItems = 100
	earlyBound = 20_000 // lines that fit into the windows of two legs (256 KiB each), amply
	grepText   = "func "
	topWords   = 100
)
