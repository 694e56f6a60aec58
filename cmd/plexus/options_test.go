// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

var update = flag.Bool("update", false, "write the table of docs/options.md anew")

// optionsPage has the table of all options between two marks.
const (
	optionsPage = "../../docs/options.md"
	tableBegin  = "<!-- options: made by go test ./cmd/plexus -run TestOptions -update -->\n"
	tableEnd    = "<!-- options: end -->\n"
)

// notFlags are the fields of the configuration that no flag sets, and why.
var notFlags = map[string]string{
	"Hub.Bridges":                "made of AllowBridges",
	"Secret":                     "$PLEXUS_SECRET, without --secret-file",
	"Transports":                 "a value of the program",
	"Log":                        "made of --log-level and --log-format",
	"Hub.Version":                "the program's own",
	"Hub.Log":                    "that of the daemon",
	"Hub.DeadLetters.Store":      "made of --dead-letters",
	"Hub.DeadLetters.Rules":      "made of --dead-letter",
	"Hub.DeadLetters.QueueBytes": "made of --dead-letter-queue",
	"Hub.OnStop":                 "set by the daemon",
	"Hub.Endpoints":              "set by the daemon",
	"Hub.Now":                    "the clock, for tests",
	"Hub.Schemas.Policy":         "made of --validate",
	"Hub.Schemas.Validator":      "made of --validate",
	"Allow.CheckServer":          "for clients",
	"Inherited":                  "a service manager's",
	"Notify":                     "a service manager's",
	"Hub.OnReload":               "set by the daemon",
	"Hub.Access":                 "made of AccessFile",
}

// samples are values for the flags that do not take any.
var samples = map[string]string{
	"owner-policy": "promote", "validate": "warn", "errors": "raise", "mode": "0640", "output": "json", "log-level": "debug",
	"log-format": "json", "max-rate-channel": "feeds.>=10", "socket-buffer": "1M", "allow-user": "root", "allow-group": "root", "server-user": "root",
}

// TestOptions: every field of the daemon's configuration, the hub's in it, is set by a flag of
// serve or stands in notFlags; every flag of serve sets one; and each has its line, with its
// default, in docs/options.md.
func TestOptions(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("0123456789abcdef0123456789abcdef"), 0o600); err != nil {
		t.Fatal(err)
	}
	samples["secret-file"], samples["password"] = secret, "room="+secret
	plain, set := configOf(t)
	own := make(map[string]bool) // flags of serve alone
	var s serveFlags
	mine := pflag.NewFlagSet("", pflag.ContinueOnError)
	s.add(mine)
	mine.VisitAll(func(f *pflag.Flag) { own[f.Name] = true })

	setBy := make(map[string]string)
	var rows []string
	set.VisitAll(func(f *pflag.Flag) {
		got, _ := configOf(t, "--"+f.Name+"="+sample(f))
		var fields []string
		for field, v := range got {
			if before, ok := plain[field]; !ok || !reflect.DeepEqual(before, v) {
				fields = append(fields, field)
				setBy[field] = f.Name
			}
		}
		slices.Sort(fields)
		if len(fields) == 0 {
			if own[f.Name] {
				t.Errorf("--%s sets no field of the configuration", f.Name)
			}
			return
		}
		rows = append(rows, fmt.Sprintf("| `--%s` | `%s` | %s | %s |\n", f.Name, strings.Join(fields, "`, `"), defaultOf(f), meaningOf(f)))
	})
	for field := range plain {
		_, excused := notFlags[field]
		if setBy[field] == "" && !excused {
			t.Errorf("no flag of serve sets %s: add one, or say in notFlags why not", field)
		}
		if setBy[field] != "" && excused {
			t.Errorf("--%s sets %s, which notFlags says is set by none", setBy[field], field)
		}
	}
	for field := range notFlags {
		if _, ok := plain[field]; !ok {
			t.Errorf("notFlags has %s, which is no field", field)
		}
	}
	comparePage(t, "| flag | field | default | |\n|---|---|---|---|\n"+strings.Join(rows, ""))
}

func comparePage(t *testing.T, table string) {
	page, err := os.ReadFile(optionsPage)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(page), tableBegin)
	old, after, ok2 := strings.Cut(rest, tableEnd)
	if !ok || !ok2 {
		t.Fatalf("%s lacks the marks of the table", optionsPage)
	}
	if old == table {
		return
	}
	if *update {
		if err := os.WriteFile(optionsPage, []byte(before+tableBegin+table+tableEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	for _, line := range strings.SplitAfter(table, "\n") {
		if !strings.Contains(old, line) {
			t.Errorf("%s lacks the line: %s", optionsPage, line)
		}
	}
	t.Errorf("%s is not what the flags say: go test ./cmd/plexus -run TestOptions -update", optionsPage)
}

// configOf returns the fields of the configuration that serve makes of a command line.
func configOf(t *testing.T, args ...string) (map[string]any, *pflag.FlagSet) {
	t.Helper()
	a := newApp(nil, &bytes.Buffer{}, &bytes.Buffer{}, func(string) (string, bool) { return "", false })
	var s serveFlags
	cmd := &cobra.Command{}
	s.add(cmd.Flags())
	a.globalFlags(cmd.Flags())
	cmd.Flags().SortFlags = false
	if err := cmd.ParseFlags(args); err != nil {
		t.Fatalf("%v: %v: add a value to samples", args, err)
	}
	if err := a.begin(cmd, nil); err != nil {
		t.Fatalf("%v: %v: add a value to samples", args, err)
	}
	cfg, err := a.daemonConfig(&s, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("%v: %v: add a value to samples", args, err)
	}
	if cfg.Allow == nil {
		cfg.Allow = zeroOf(cfg.Allow)
	}
	cfg.Log, cfg.Hub.Version = nil, ""
	fields := make(map[string]any)
	flatten(fields, "", reflect.ValueOf(*cfg))
	return fields, cmd.Flags()
}

func zeroOf[T any](*T) *T { return new(T) }

// flatten puts the fields of a struct, and of those within it, into a map.
func flatten(to map[string]any, prefix string, v reflect.Value) {
	for i := range v.NumField() {
		f, name := v.Field(i), prefix+v.Type().Field(i).Name
		if !v.Type().Field(i).IsExported() {
			continue
		}
		if name == "Allow" {
			f = f.Elem()
		}
		if f.Kind() == reflect.Struct {
			flatten(to, name+".", f)
			continue
		}
		to[name] = f.Interface()
	}
}

// sample returns a value for a flag that is not its default.
func sample(f *pflag.Flag) string {
	if s, ok := samples[f.Name]; ok {
		return s
	}
	switch f.Value.Type() {
	case "int", "intSlice":
		return "12345"
	case "duration":
		return "7s"
	case "bool":
		return "true"
	}
	return "x"
}

// meaningOf returns what stands in the last column.
func meaningOf(f *pflag.Flag) string {
	text, _, _ := strings.Cut(f.Usage, " (default: ")
	return strings.ReplaceAll(text, "|", "\\|")
}

// defaultOf returns what stands in the table as the default of a flag.
func defaultOf(f *pflag.Flag) string {
	switch f.DefValue {
	case "", "[]", "false":
		if _, rest, ok := strings.Cut(f.Usage, "(default: "); ok {
			return strings.TrimSuffix(rest, ")")
		}
		if f.DefValue == "false" {
			return "no"
		}
		return "–"
	}
	return "`" + f.DefValue + "`"
}
