// SPDX-License-Identifier: Apache-2.0

package endpoint_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"net"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/plexus-ipc/plexus/endpoint"
)

func parse(t testing.TB, text string) endpoint.Endpoint {
	t.Helper()
	e, err := endpoint.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestZeroEndpoint(t *testing.T) {
	var e endpoint.Endpoint
	if !e.IsZero() || e.String() != "" || e.Scheme() != "" || e.Address() != "" || e.FD() != -1 || e.Local() || e.Abstract() {
		t.Errorf("zero endpoint is not empty: %#v", e)
	}
	if err := e.Supported(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Supported() = %v", err)
	}
	if _, err := e.WithPort(1); err == nil {
		t.Error("the zero endpoint took a port")
	}
	if _, err := e.Format(endpoint.SpellingURL); err == nil {
		t.Error("the zero endpoint has a spelling")
	}
}

func TestEndpointIsMapKeyAndConfigurationField(t *testing.T) {
	var config struct{ Listen, Spare endpoint.Endpoint }
	if err := json.Unmarshal([]byte(`{"Listen":"TCP://Localhost:80","Spare":""}`), &config); err != nil {
		t.Fatal(err)
	}
	seen := map[endpoint.Endpoint]bool{parse(t, "tcp://localhost:80"): true}
	if !seen[config.Listen] || !config.Spare.IsZero() {
		t.Errorf("decoded %+v", config)
	}
	before := config.Listen
	if err := json.Unmarshal([]byte(`{"Listen":"tcp://"}`), &config); err == nil || config.Listen != before {
		t.Errorf("a refused text changed the field: %v, %v", config.Listen, err)
	}
}

func TestUnknownTransportListsTheKnown(t *testing.T) {
	for _, make := range []func() (endpoint.Endpoint, error){
		func() (endpoint.Endpoint, error) { return endpoint.Parse("carrier-pigeon://coop") },
		func() (endpoint.Endpoint, error) { return endpoint.FromRecord(endpoint.Record{Transport: "udp"}) },
	} {
		_, err := make()
		if err == nil {
			t.Fatal("accepted")
		}
		for _, want := range []string{"unknown transport", "unix", "noise+tcp", "npipe", "auto", "x-"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%v does not mention %q", err, want)
			}
		}
	}
}

func TestMessagesHideSecretsAndStayShort(t *testing.T) {
	for _, text := range []string{"tcp://user:hunter2@host:80", "user:hunter2@host:80", "http://user:hunter2@host/", "wss://:hunter2@host/x@y"} {
		_, err := endpoint.Parse(text)
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("Parse(%q): %v", text, err)
		}
		if _, _, err = endpoint.ParseForeign(text); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("ParseForeign(%q): %v", text, err)
		}
	}
	_, err := endpoint.Parse("unix:///" + strings.Repeat("é", 3000))
	if err == nil || len(err.Error()) > 1200 {
		t.Errorf("message of %d bytes", len(err.Error()))
	}
}

func TestCanonicalFormThatIsTooLongIsRefused(t *testing.T) {
	if e, err := endpoint.Parse("ws://h/" + strings.Repeat(strings.Repeat("é", 100)+"/", 20)); err == nil {
		t.Errorf("accepted %d bytes", len(e.String()))
	}
}

func TestNetAgreesWithAddress(t *testing.T) {
	for _, text := range []string{"tcp://127.0.0.1:0", "tls://localhost:0"} {
		e := parse(t, text)
		listener, err := net.Listen(e.Network(), e.Address())
		if err != nil {
			t.Fatal(err)
		}
		listener.Close()
		real, err := e.WithPort(listener.Addr().(*net.TCPAddr).Port)
		if err != nil || real.Port() == 0 || real.Scheme() != e.Scheme() || real.Host() != e.Host() {
			t.Errorf("%s became %s, %v", e, real, err)
		}
	}
	if runtime.GOOS == "linux" {
		e, err := endpoint.Unix(filepath.Join("/tmp", strings.Repeat("s", 98)))
		if err != nil || len(e.Path()) != 103 {
			t.Fatal(err)
		}
		if _, err := net.ResolveUnixAddr(e.Network(), e.Address()); err != nil {
			t.Error(err)
		}
	}
}

func TestWithPortAndOption(t *testing.T) {
	if e, err := parse(t, "unix:///run/x").WithPort(1); err == nil {
		t.Errorf("a socket took a port: %s", e)
	}
	if e, err := parse(t, "tcp://h:1").WithPort(65536); err == nil {
		t.Errorf("got %s", e)
	}
	e, err := parse(t, "unix:///run/x").WithOption("mode", "660")
	if err != nil || e.String() != "unix:///run/x?mode=0660" {
		t.Fatalf("got %s, %v", e, err)
	}
	if mode, ok := e.Mode(); !ok || mode != fs.FileMode(0o660) {
		t.Errorf("mode %v, %v", mode, ok)
	}
	if e, err = e.WithOption("mode", "0600"); err != nil || e.String() != "unix:///run/x?mode=0600" {
		t.Errorf("got %s, %v", e, err)
	}
	if e, err = e.WithOption("mode", ""); err != nil || e != parse(t, "unix:///run/x") {
		t.Errorf("got %s, %v", e, err)
	}
	if e, err = e.WithOption("colour", "red"); err == nil {
		t.Errorf("got %s", e)
	}
	if _, ok := parse(t, "ws://h/?mode=0600").Mode(); ok {
		t.Error("a web server's own option was taken for permissions")
	}
}

func TestSupportedOn(t *testing.T) {
	const all = "linux darwin windows"
	for text, want := range map[string]string{
		"unix:///run/x": all, "unix://@x": "linux", "unixpacket:///run/x": "linux", "unixgram:///run/x": "linux darwin",
		"tcp://h:1": all, "tls://h:1": all, "noise+tcp://h:1": all, "ws://h/": all, "wss://h/": all,
		"npipe://./pipe/x": "windows", "shm:///run/x": "linux darwin", "mmap:///x/y": "linux darwin", "mq://x": "linux",
		"drop:///x": all, "mem://x": all, "stdio:": all, "fd://3": "linux darwin", "auto:x": all, "x-a://b": all,
		"unix:///C:/x": "windows",
	} {
		for goos := range strings.FieldsSeq(all) {
			err := parse(t, text).SupportedOn(goos)
			if wanted := strings.Contains(want, goos); (err == nil) != wanted {
				t.Errorf("%s on %s: %v", text, goos, err)
			}
			var platform *endpoint.PlatformError
			if err != nil && (!errors.As(err, &platform) || platform.GOOS != goos || !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), goos)) {
				t.Errorf("%s on %s: untyped error %v", text, goos, err)
			}
		}
	}
	if err := parse(t, "tcp://h:1").Supported(); err != nil {
		t.Error(err)
	}
}

func TestLocal(t *testing.T) {
	for text, want := range map[string]bool{
		"unix:///run/x": true, "unix://@x": true, "mem://x": true, "stdio:": true, "auto:x": true, "fd://3": true,
		"tcp://localhost:1": true, "tcp://a.localhost:1": true, "tcp://127.9.9.9:1": true, "tcp://[::1]:1": true,
		"tcp://[::ffff:127.0.0.1]:1": true, "ws://localhost./": true, "npipe://./pipe/x": true,
		"tcp://0.0.0.0:1": false, "tcp://[::]:1": false, "tcp://example.com:1": false, "tls://notlocalhost:1": false,
		"npipe://server/pipe/x": false, "x-a://localhost:1": false,
	} {
		if got := parse(t, text).Local(); got != want {
			t.Errorf("%s: Local() = %v", text, got)
		}
	}
}
