// SPDX-License-Identifier: Apache-2.0

package token

import (
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/auth"
)

var update = flag.Bool("update", false, "write testdata/vectors.json anew")

// vector is what another implementation can hold itself against.
type vector struct {
	Comment    string   `json:"comment"`
	Token      string   `json:"token"`
	Transcript string   `json:"transcript"`
	Message    string   `json:"message"` // of the client: size, blocks, proof
	Issuer     string   `json:"issuer"`
	Subject    string   `json:"subject"`
	IDs        []ID     `json:"ids"`
	Audience   []string `json:"audience"`
	NotAfter   string   `json:"not_after"`
	Rights     any      `json:"rights"`
}

func describe(t *testing.T, comment string, tok *Token) vector {
	t.Helper()
	b := binding(comment)
	message, _, err := Hold(tok).Client(b).Step(nil)
	must(t, err)
	c := tok.Claims()
	v := vector{
		Comment: comment, Token: tok.Text(), Transcript: hex.EncodeToString(b.Transcript[:]), Message: hex.EncodeToString(message),
		Issuer: c.Issuer.String(), Subject: c.Subject, IDs: c.IDs, Audience: c.Audience, Rights: c.Rights,
	}
	if !c.NotAfter.IsZero() {
		v.NotAfter = c.NotAfter.Format(time.RFC3339)
	}
	return v
}

func writeVectors(t *testing.T) {
	i := issuer(t)
	plain := issue(t, i, Terms{Rights: everything})
	full := issue(t, i, Terms{
		Rights:    []auth.Right{{Verbs: []auth.Verb{"join", "call"}, Channel: "math.*", Name: "add.>"}, {Verbs: []auth.Verb{"subscribe"}, Channel: "news"}},
		NotBefore: noon.Add(-time.Hour), NotAfter: noon.Add(24 * time.Hour), Audience: []string{"hub", "other"},
	})
	narrowed := narrow(t, full, Terms{Rights: []auth.Right{{Verbs: []auth.Verb{"call"}, Channel: "math.a", Name: "add.int"}}, Audience: []string{"hub"}})
	all := []vector{
		describe(t, "everything, for ever", plain), describe(t, "all fields", full), describe(t, "narrowed", narrowed),
		describe(t, "narrowed twice, sealed", narrow(t, narrowed, Terms{NotAfter: noon.Add(time.Hour), Sealed: true})),
	}
	out, err := json.MarshalIndent(all, "", "  ")
	must(t, err)
	must(t, os.WriteFile("testdata/vectors.json", append(out, '\n'), 0o644))
}

// TestVectors holds the code against what it has once written: the format does not change.
func TestVectors(t *testing.T) {
	if *update {
		writeVectors(t)
	}
	file, err := os.ReadFile("testdata/vectors.json")
	must(t, err)
	var vectors []vector
	must(t, json.Unmarshal(file, &vectors))
	if len(vectors) < 4 {
		t.Fatal(len(vectors))
	}
	for _, v := range vectors {
		t.Run(v.Comment, func(t *testing.T) {
			tok, err := Parse(v.Token)
			must(t, err)
			got := describe(t, v.Comment, tok)
			rights, err := json.Marshal(got.Rights)
			must(t, err)
			must(t, json.Unmarshal(rights, &got.Rights))
			if !reflect.DeepEqual(got, v) {
				t.Fatalf("got  %+v\nwant %+v", got, v)
			}
			tr := Trust{Issuers: []PublicKey{tok.Claims().Issuer}, Hub: "hub", Now: clock}
			if _, done, err := NewVerifier(tr).Server(binding(v.Comment)).Step(mustHex(t, v.Message)); err != nil || !done {
				t.Fatal(err)
			}
		})
	}
}

func mustHex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	must(t, err)
	return b
}
