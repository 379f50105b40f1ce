package main

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/mayfly-profiler/mayfly/internal/source/bpf"
	"github.com/mayfly-profiler/mayfly/internal/target"
)

// hostile is a running target that has escape sequences in every name that can be printed.
func hostile(t *testing.T) *target.Target {
	t.Helper()
	exe, err := os.ReadFile(target.Compile(t, "hostile", target.Build{}))
	if err != nil {
		t.Fatal(err)
	}
	for name, evil := range map[string]string{
		"evilFunctionName0123":   "e\x1b]0;PWN\x07\x1b[2J\n\r\u009b1m",
		"evil_file_name_0123.go": "e\x1b]0;PWN\x07\x1b[2J\n`|[.go",
	} {
		n := bytes.Count(exe, []byte(name))
		if len(evil) > len(name) || n == 0 {
			t.Fatalf("%s: %d times, %q is for it", name, n, evil)
		}
		exe = bytes.ReplaceAll(exe, []byte(name), []byte(evil+strings.Repeat("_", len(name)-len(evil))))
	}
	path := filepath.Join(t.TempDir(), "x\x1b]0;PWNED\x07\x1b[2J\u009b31m")
	if err := os.WriteFile(path, exe, 0o700); err != nil {
		t.Fatal(err)
	}
	return target.Start(t, path)
}

// TestNothingHostileIsPrinted runs every command and format on such a target and on recordings of it.
func TestNothingHostileIsPrinted(t *testing.T) {
	target.Need(t, bpf.Probe())
	x := hostile(t)
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a.pb.gz"), filepath.Join(dir, "b.pb.gz")
	p := pid(x)
	slo := []string{"report", "--slo", "p99<1ms", "--request", "label:request"}
	runs := [][]string{
		{"list"}, {"list", "--json"}, {"__complete", "record", "-p", ""}, {"doctor", p}, {"doctor", "--json", p},
		{"dump", "-p", p}, {"dump", "-p", p, "--json"},
		{"record", "-v", "--timeline", "-p", p, "-d", "2s", "-o", a}, {"record", "--json", "--goroutines", "-p", p, "-d", "1s", "-o", b},
		{"record", "-p", p, "-d", "1s", "-o", "-", "--format", "folded"},
		{"record", "-p", p, "-d", "1s", "-o", filepath.Join(dir, "x\x1b[2J", "y")},
		{"record", "--ring", "1s", "--on", "exit", "-d", "1s", "-p", p, "-o", b},
		{"compare", "-d", "1s", "-p", p}, {"top", "--once", "-p", p}, {"top", "--once", "--json", "-p", p},
	}
	for _, format := range []string{"text", "markdown", "json", "html"} {
		runs = append(runs, []string{"compare", a, "--format", format},
			[]string{"diff", a, b, "--format", format}, []string{"diff", a, b, "--by", "label:endpoint", "--format", format},
			append(slo, "--format", format, a), append(slo, "--by", "endpoint", "--format", format, a))
	}
	for _, args := range runs {
		s := start(t, nil, args...)
		code := s.wait()
		out := s.stdout.String() + s.stderr.String()
		if strings.TrimSpace(out) == "" {
			t.Errorf("%q printed nothing (exit code %d)", args, code)
		}
		if slices.Contains(args, "html") {
			out = strings.ReplaceAll(out, "\n", " ") // lines mean nothing there
		}
		if i, why := firstHarm(out); i >= 0 {
			t.Errorf("%q prints %s: ...%q", args, why, out[max(0, i-60):min(len(out), i+60)])
		}
		if code == codeUsage {
			t.Errorf("%q: exit code %d: %s", args, code, s.stderr.String())
		}
	}
	for _, ext := range viewExtensions() {
		checkWritten(t, a, filepath.Join(dir, "out"+ext))
	}
}

// checkWritten writes a recording in the format of a file: it is whole, and if it is text, text that can be printed.
func checkWritten(t *testing.T, recording, path string) {
	t.Helper()
	s := start(t, nil, "view", "-o", path, recording)
	if code := s.wait(); code != codeOK {
		t.Errorf("%s: exit code %d: %s", path, code, s.stderr.String())
		return
	}
	b, err := os.ReadFile(path)
	if err != nil || len(b) == 0 {
		t.Errorf("%s: %d bytes, %v", path, len(b), err)
	}
	if content, _, _ := strings.Cut(http.DetectContentType(b), ";"); content == "application/octet-stream" || content == "application/x-gzip" {
		return
	}
	if filepath.Ext(path) == ".html" {
		b = bytes.ReplaceAll(b, []byte("\n"), []byte(" "))
	}
	if i, why := firstHarm(string(b)); i >= 0 {
		t.Errorf("%s has %s: ...%q", path, why, b[max(0, i-60):min(len(b), i+60)])
	}
}

// firstHarm finds what is no printable text.
func firstHarm(s string) (at int, why string) {
	for i, r := range s {
		switch {
		case i > 0 && s[i-1] == '\n' && (r == utf8.RuneError || strings.HasPrefix(s[i:], "`|[")):
			return i, "a line that begins inside a name"
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], "\ufffd"):
			return i, "invalid UTF-8"
		case r < ' ' && r != '\n' && r != '\t', r >= 0x7f && r <= 0x9f:
			return i, "a control character"
		case r == '\u202e':
			return i, "a bidirectional control"
		}
	}
	return -1, ""
}
