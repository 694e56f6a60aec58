// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/plexus-ipc/plexus/status"
)

// What is read at most, so that the demo stays short in the largest of trees.
const (
	maxFiles = 4000
	maxBytes = 32 << 20
)

// file is a Go file of the corpus.
type file struct {
	Path  string
	Data  []byte
	Lines []string
}

// corpus is what the demo works on. All processes that read the same folder must see the
// same: Digest tells.
type corpus struct {
	Files  []file
	Lines  int
	Bytes  int
	Digest string
}

// load reads the Go files below a folder in the order of their paths.
func load(folder string) (*corpus, error) {
	c := &corpus{}
	sum := sha256.New()
	root := os.DirFS(folder)
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil && name == ".":
			return err
		case err != nil:
			return nil //nolint:nilerr // a folder that cannot be read, or has gone, is left out
		case d.IsDir() && skipped(name, d.Name()):
			return fs.SkipDir
		case !d.Type().IsRegular() || path.Ext(name) != ".go":
			return nil
		case len(c.Files) >= maxFiles || c.Bytes >= maxBytes:
			return fs.SkipAll
		}
		return c.add(root, sum, name)
	})
	if err != nil {
		return nil, status.Errorf(status.InvalidArgument, "the folder %s cannot be read: %w", folder, err)
	}
	if c.Lines == 0 {
		return nil, status.Errorf(status.InvalidArgument, "there are no Go files below %s: name a folder that has some, as in plexus demo ~/src", folder)
	}
	c.Digest = hex.EncodeToString(sum.Sum(nil))
	return c, nil
}

func skipped(name, base string) bool {
	return name != "." && (strings.HasPrefix(base, ".") || slices.Contains([]string{"testdata", "vendor", "node_modules"}, base))
}

func (c *corpus) add(root fs.FS, sum hash.Hash, name string) error {
	data, err := fs.ReadFile(root, name)
	if err != nil {
		return nil //nolint:nilerr // it has gone meanwhile: the digests tell
	}
	text := strings.ToValidUTF8(string(data), "?")
	f := file{Path: name, Data: data, Lines: strings.Split(strings.TrimSuffix(text, "\n"), "\n")}
	c.Files = append(c.Files, f)
	c.Lines += len(f.Lines)
	c.Bytes += len(data)
	fmt.Fprintf(sum, "%s\x00%d\x00", name, len(data))
	sum.Write(data)
	return nil
}

// digest tells values apart: half of the SHA-256 of their JSON.
func digest(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

// isWord tells what words are made of.
func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}

// eachWord calls f for the words of a line.
func eachWord(line string, f func(word string)) {
	for i := 0; i < len(line); {
		if !isWord(line[i]) {
			i++
			continue
		}
		j := i + 1
		for j < len(line) && isWord(line[j]) {
			j++
		}
		f(line[i:j])
		i = j
	}
}
