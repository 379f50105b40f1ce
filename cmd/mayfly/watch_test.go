package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/report"
	"github.com/mayfly-profiler/mayfly/internal/target"
)

func TestWords(t *testing.T) {
	for line, want := range map[string][]string{
		"":                       nil,
		"  notify  -a mayfly ":   {"notify", "-a", "mayfly"},
		`sh -c 'a "b" $c' "d e"`: {"sh", "-c", `a "b" $c`, "d e"},
		`a "" b;c $(d)`:          {"a", "", "b;c", "$(d)"},
	} {
		if got, err := words(line); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v", line, got, err)
		}
	}
	for _, line := range []string{`a "b`, `'`, `"" x`} {
		if got, err := words(line); err == nil {
			t.Errorf("%q: %q", line, got)
		}
	}
}

func TestDiskLimit(t *testing.T) {
	for text, want := range map[string]diskLimit{"20": {breaches: 20}, "500MiB": {bytes: 500 << 20}, "2GiB": {bytes: 2 << 30}} {
		var d diskLimit
		if err := d.Set(text); err != nil || d != want {
			t.Errorf("%q: %+v, %v", text, d, err)
		}
		if err := d.Set(d.String()); err != nil || d != want {
			t.Errorf("%q is printed as %s", text, &d)
		}
	}
	for _, text := range []string{"", "0", "-1", "500MB", "1.5GiB", "MiB", "99999999999"} {
		if err := new(diskLimit).Set(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

// The oldest breaches go, whole, and nothing else that is in the folder.
func TestStorePrune(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, size int) {
		if err := os.WriteFile(filepath.Join(dir, name), make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	stem := func(day int) string { return fmt.Sprintf("breach-202601%02dT000000.000Z-42", day) }
	for day := range 4 {
		for _, suffix := range []string{".pb.gz", ".md", "-healthy.pb.gz"} {
			write(stem(day+1)+suffix, 1<<20)
		}
	}
	others := []string{"notes.md", "breach-1.pb.gz", "breach-20260101T000000.000Z.pb.gz", stem(1) + ".txt", stem(1) + ".pb.gz.bak"}
	for _, name := range others {
		write(name, 1<<20)
	}
	link := stem(0) + ".pb.gz"
	if err := os.Symlink("notes.md", filepath.Join(dir, link)); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		limit diskLimit
		kept  int // breaches
	}{{diskLimit{breaches: 3}, 3}, {diskLimit{bytes: 7 << 20}, 2}, {diskLimit{bytes: 1 << 20}, 1}} {
		s := &store{dir: dir, limit: x.limit}
		if err := s.prune(&env{stderr: io.Discard, quiet: true}); err != nil {
			t.Fatal(err)
		}
		want := append([]string{link}, others...)
		for day := 4 - x.kept; day < 4; day++ {
			want = append(want, stem(day+1)+".pb.gz", stem(day+1)+".md", stem(day+1)+"-healthy.pb.gz")
		}
		slices.Sort(want)
		var got []string
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			got = append(got, e.Name())
		}
		if !slices.Equal(got, want) {
			t.Errorf("%+v: %q, want %q", x.limit, got, want)
		}
	}
}

// Who adds file by file does not have the folder read for each: there may be a hundred thousand. It is read at first, and when the limit is
// reached; then the oldest go, whoever wrote them, and what is gone already is no error.
func TestStoreAdds(t *testing.T) {
	dir := t.TempDir()
	write := func(n int) int64 {
		stem := stemOf("slice", time.Unix(int64(n), 0), 42)
		if err := os.WriteFile(filepath.Join(dir, stem+".pb.gz"), make([]byte, 1000), 0o600); err != nil {
			t.Fatal(err)
		}
		return 1000
	}
	s := &store{dir: dir, limit: diskLimit{bytes: 10_000}, files: ofSlice}
	files := func() int { entries, _ := os.ReadDir(dir); return len(entries) }
	for _, x := range []struct{ add, beside, want int }{
		{10, 0, 1}, // the first
		{11, 5, 7}, // others that are older, of which nobody knows
		{12, 0, 8},
		{20, 0, 9}, {21, 0, 10}, {22, 0, 11}, {23, 0, 12}, {24, 0, 13}, {25, 0, 14},
		{26, 0, 15}, // ten were added
		{27, 0, 10}, // with the others it is too much
		{28, 0, 10}, {29, 0, 10},
	} {
		for i := range x.beside {
			write(i)
		}
		if err := s.added(&env{stderr: io.Discard, quiet: true}, write(x.add)); err != nil {
			t.Fatal(err)
		}
		if got := files(); got != x.want {
			t.Errorf("%d files after %d was added, want %d", got, x.add, x.want)
		}
	}
	if err := os.Remove(filepath.Join(dir, stemOf("slice", time.Unix(20, 0), 42)+".pb.gz")); err != nil { // the next to go
		t.Fatal(err)
	}
	if err := s.added(&env{stderr: io.Discard, quiet: true}, write(30)); err != nil || files() != 10 {
		t.Errorf("%d files and %v, want 10", files(), err)
	}
}

// Where everybody may make files those of others do not count, and stay: else who makes a large one has ours removed.
func TestStorePrunesItsOwn(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, stem := range []string{"breach-20260101T000000.000Z-1", "breach-20260102T000000.000Z-2"} {
		want = append(want, stem+".md")
		if err := os.WriteFile(filepath.Join(dir, stem+".md"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	foreign := filepath.Join(dir, "breach-20260103T000000.000Z-3.md")
	if err := os.WriteFile(foreign, make([]byte, 4<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(foreign, 54321, -1); err != nil { // without the right to give files away there is nothing to test
		target.Need(t, fmt.Errorf("%w: %w", err, fs.ErrPermission))
	}
	s := &store{dir: dir, limit: diskLimit{bytes: 1 << 20}}
	if err := s.prune(&env{stderr: io.Discard, quiet: true}); err != nil {
		t.Fatal(err)
	}
	entries, _ := os.ReadDir(dir)
	if len(entries) != len(want)+1 {
		t.Errorf("%v are left, want %q and the other one", entries, want)
	}
}

// The folder is made for its owner only; a link in the place of a file is replaced, not followed.
func TestStoreIsPrivate(t *testing.T) {
	if runtime.GOOS == "windows" {
		target.Need(t, fmt.Errorf("permissions of files: %w", errors.ErrUnsupported))
	}
	dir := filepath.Join(t.TempDir(), "new")
	e := &env{stdout: io.Discard, stderr: io.Discard, getenv: func(string) string { return "" }}
	s, err := openStore(e, "watch", dir)
	if err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(dir); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", st.Mode(), err)
	}
	victim := filepath.Join(t.TempDir(), "victim")
	if err := os.WriteFile(victim, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	path := s.stem(time.Unix(1e9, 0), 7) + ".md"
	if err := os.Symlink(victim, path); err != nil {
		t.Fatal(err)
	}
	if err := writeOutput(e, output{path, plainText}, func(w io.Writer) error { _, err := io.WriteString(w, "x"); return err }); err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(victim); string(b) != "precious" {
		t.Errorf("the link was followed: %q", b)
	}
	if st, err := os.Lstat(path); err != nil || st.Mode() != 0o600 {
		t.Errorf("%v, %v", st.Mode(), err)
	}
	if _, err := openStore(e, "watch", victim); err == nil {
		t.Error("a file is no folder")
	}
}

func testEvent() *breachEvent {
	return &breachEvent{PID: 7, Why: "p99<1s: 5 of 50", Cause: &report.Cause{Sentence: "x waits for $(y)\n; z"},
		Files: breachFiles{Report: "/tmp/a b.md"}}
}

// A hook gets what there is to know as its environment and stdin, and no shell sees any of it.
func TestHook(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	event := testEvent()
	text, err := json.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	script := `{ cat; echo; echo "$BREACH_WHY|$BREACH_CAUSE|$BREACH_REPORT|$1"; } > ` + out
	if err := runHook(t.Context(), []string{"/bin/sh", "-c", script, "sh", "$(z)"}, event, text); err != nil {
		t.Fatal(err)
	}
	got, _ := os.ReadFile(out)
	if want := string(text) + "\np99<1s: 5 of 50|x waits for $(y)\ufffd; z|/tmp/a b.md|$(z)\n"; string(got) != want {
		t.Errorf("%q, want %q", got, want)
	}
	err = runHook(t.Context(), []string{"/bin/sh", "-c", "echo no disk >&2; exit 3"}, event, text)
	if err == nil || err.Error() != "exit status 3: no disk" {
		t.Errorf("%v", err)
	}
	if err := runHook(t.Context(), []string{"/bin/sh", "-c", "sleep 3 &"}, event, text); err != nil {
		t.Errorf("a hook that leaves somebody behind with its output: %v", err)
	}
	if err := runHook(t.Context(), []string{"/no/such/hook"}, event, text); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

// What a hook is told is cut where the kernel would not start it.
func TestHookHearsMuch(t *testing.T) {
	event := testEvent()
	event.Why, event.Cause.Sentence = strings.Repeat("x", 1<<20), strings.Repeat("é\x00", 1<<20)
	script := `test ${#BREACH_WHY} = 8192 && test -n "$BREACH_CAUSE"`
	if err := runHook(t.Context(), []string{"/bin/sh", "-c", script}, event, nil); err != nil {
		t.Error(err)
	}
}

// A command that takes its time does not keep the webhook from its breach: this one ends only when that has been called.
func TestHooksAreApart(t *testing.T) {
	called := filepath.Join(t.TempDir(), "called")
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { os.WriteFile(called, nil, 0o600) }))
	defer s.Close()
	var said strings.Builder
	script := "until test -e " + called + "; do sleep 0.05; done"
	w := &watching{env: &env{stderr: &said}, flags: &watchFlags{hook: []string{"/bin/sh", "-c", script}, webhook: s.URL}}
	(&watcher{watching: w}).callHooks(testEvent(), []byte("{}"))
	if said.String() != "" {
		t.Error(said.String())
	}
}

// A hook that does not end is ended, with what it started.
func TestHookEnds(t *testing.T) {
	ctx, cancel := context.WithTimeoutCause(t.Context(), 200*time.Millisecond, errors.New("too long"))
	defer cancel()
	begin := time.Now()
	err := runHook(ctx, []string{"/bin/sh", "-c", "sleep 60 & sleep 60"}, testEvent(), nil)
	if err == nil || err.Error() != "too long" || time.Since(begin) > 30*time.Second {
		t.Errorf("%v after %v", err, time.Since(begin))
	}
}

// A webhook's answer leads nowhere else, is not waited for without end, and no message has the URL, which may be a secret.
func TestWebhook(t *testing.T) {
	var got []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got = append(got, r.Method+" "+r.URL.Path+" "+r.Header.Get("Content-Type")+" "+string(b))
		switch r.URL.Path {
		case "/redirect":
			http.Redirect(w, r, "/secret-elsewhere", http.StatusTemporaryRedirect)
		case "/secret-fails":
			http.Error(w, "no "+strings.Repeat("x", 1000), http.StatusForbidden)
		case "/secret-hangs":
			<-r.Context().Done()
		}
	}))
	defer s.Close()
	for path, want := range map[string]string{"/ok": "", "/redirect": "307", "/secret-fails": "403 Forbidden: no xxx",
		"/secret-hangs": "too long"} {
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errors.New("too long"))
		err := post(ctx, s.URL+path, []byte(`{"a":1}`))
		cancel()
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", path, err)
		case want == "":
		case err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") || len(err.Error()) > 300:
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
	if err := post(t.Context(), "http://127.0.0.1:1/secret", nil); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v", err)
	}
	if len(got) != 4 || !slices.Contains(got, `POST /ok application/json {"a":1}`) {
		t.Errorf("%q", got)
	}
}
