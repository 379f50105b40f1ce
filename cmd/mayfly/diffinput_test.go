package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// storedProfiles is a server of Pyroscope's query API: it has the files old and new of a folder as those of two environments, and no
// data before a time.
func storedProfiles(t *testing.T, folder string, begin time.Time) (address string, asked *atomic.Int32) {
	t.Helper()
	asked = new(atomic.Int32)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.URL.Path != "/querier.v1.QuerierService/SelectMergeProfile" || r.Header.Get("X-Scope-OrgID") != "secret" {
			http.Error(w, "no org id", http.StatusUnauthorized)
			return
		}
		b, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/proto")
		if time.UnixMilli(askedFrom(b)).Before(begin) {
			return
		}
		name := "old"
		if bytes.Contains(b, []byte(`{service_name="shop",env="new"}`)) {
			name = "new"
		}
		http.ServeFile(w, r, filepath.Join(folder, name))
	}))
	t.Cleanup(server.Close)
	return strings.Replace(server.URL, "http://", "pyroscope://", 1), asked
}

// askedFrom is field 3 of a SelectMergeProfileRequest.
func askedFrom(b []byte) int64 {
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		size := protowire.ConsumeFieldValue(number, kind, b[max(n, 0):])
		if n < 0 || size < 0 {
			return 0
		}
		if v, _ := protowire.ConsumeVarint(b[n:]); number == 3 {
			return int64(v)
		}
		b = b[n+size:]
	}
	return 0
}

func diffed(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, words bytes.Buffer
	e := &env{stdin: strings.NewReader(""), stdout: &out, stderr: &words, getenv: func(string) string { return "" }}
	err = run(t.Context(), e, append([]string{"diff"}, args...))
	return out.String(), words.String(), err
}

// What a server returns is compared as the same profiles in files are, and a range can be cut into repeats.
func TestDiffServer(t *testing.T) {
	folder := t.TempDir()
	for name, share := range map[string]float64{"old": 0.2, "new": 0.4} {
		x := simple{seed: 1, seconds: 10, rate: 999, kernel: "6.18", module: "main", funcs: []string{"main.a", "main.b"},
			share: map[string]float64{"main.a": share, "main.b": 1 - share}}
		var b bytes.Buffer
		if err := x.profile().Write(&b); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, name), b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	address, asked := storedProfiles(t, folder, time.Now().Add(-35*time.Minute))
	old, changed := filepath.Join(folder, "old"), filepath.Join(folder, "new")
	const shop, key = "/shop?from=-30m&env=", "--header=X-Scope-OrgID=secret"
	user := strings.Replace(address, "://", "://me:secret@", 1)
	for _, tt := range []struct{ files, server [2]string }{
		{[2]string{old, changed}, [2]string{user + shop + "old", user + shop + "new"}},
		{[2]string{old + "," + old, changed}, [2]string{old + "," + address + shop + "old", user + shop + "new"}},
		{[2]string{strings.Repeat(old+",", 3), strings.Repeat(changed+",", 3)},
			[2]string{address + "/shop?from=-1h&step=10m&env=old", address + shop + "new&step=10m"}},
	} {
		want, _, wantErr := diffed(t, tt.files[0], tt.files[1])
		got, stderr, err := diffed(t, tt.server[0], tt.server[1], key)
		note := "a profile of a server is that of all processes of a service in a range of time, added up"
		if strings.Contains(tt.server[0], "-1h") {
			note += "; 3 of 9 ranges have no data and are left out"
		}
		if !strings.Contains(got, note+"\n") || strings.Replace(got, note+"\n", "", 1) != want || exitCode(err) != exitCode(wantErr) {
			t.Errorf("%v, want %v\n%s\nwant\n%s", err, wantErr, got, want)
		}
		if strings.Contains(got+stderr, "secret") {
			t.Error("a secret is printed")
		}
	}
	if n := asked.Load(); n != 2+2+6+3 {
		t.Errorf("asked %d times: each range is asked for once", n)
	}
}

func TestDiffServerErrors(t *testing.T) {
	folder := t.TempDir()
	address, _ := storedProfiles(t, folder, time.Now().Add(time.Hour))
	user, key := strings.Replace(address, "://", "://me:secret@", 1), "--header=X-Scope-OrgID=secret"
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{user + "/shop", folder}, codeFailed, "401 Unauthorized: no org id: give USER:PASSWORD@"},
		{[]string{user + "/shop", folder, key}, codeFailed, "until="},
		{[]string{user + "/shop", folder, key}, codeFailed, ": no data in this range: is the service"},
		{[]string{user + "/shop?step=20m", folder, key}, codeFailed, " and 2 more: no data in this range"},
		{[]string{user + "/", folder}, codeUsage, "diff: the address of a server: no name of a service: want pyroscope://"},
		{[]string{folder, folder, key}, codeUsage, "diff: --header is for a server: pyroscope://"},
		{[]string{address + "/shop", folder, "--header=secret"}, codeUsage, "diff: --header: a header is KEY=VALUE"},
	} {
		stdout, stderr, err := diffed(t, tt.args...)
		if err == nil || exitCode(err) != tt.code || !strings.Contains(err.Error(), tt.want) || stdout != "" ||
			strings.Contains(err.Error()+stderr, "secret") {
			t.Errorf("%q: %v (%d), %s", tt.args, err, exitCode(err), stdout)
		}
	}
}

// A comma between the braces of a selector is none of a list.
func TestSplitList(t *testing.T) {
	for arg, want := range map[string][]string{
		"a,b": {"a", "b"}, ",a,,b,": {"a", "b"}, "": nil, "a": {"a"}, `parca://h/{a="1",b="2"},c`: {`parca://h/{a="1",b="2"}`, "c"},
		"x{,y": {"x{,y"}, "a},b": {"a}", "b"},
	} {
		if got := splitList(arg); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", arg, got, want)
		}
	}
}
