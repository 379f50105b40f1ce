package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mayfly-profiler/mayfly/internal/exectrace"
)

// TestReportBeside reads what --keep wrote: the execution trace of the same seconds is found beside the recording, and one of
// other seconds is of no use.
func TestReportBeside(t *testing.T) {
	trace, err := os.ReadFile("../../internal/exectrace/testdata/go1.26.trace.gz")
	if err != nil {
		t.Fatal(err)
	}
	x, err := exectrace.Read(bytes.NewReader(trace), exectrace.Options{})
	if err != nil {
		t.Fatal(err)
	}
	same, samples := x.Timeline.Profile()
	same.Sample = slices.Collect(samples)
	var recording, old bytes.Buffer
	if err := errors.Join(same.Write(&recording), sleepers(400, 5).Write(&old)); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, args string
		recording  []byte
		trace      []byte
		evidence   string
		note       string
	}{
		{"of the same seconds", "", recording.Bytes(), trace, "trace", "with the execution trace "},
		{"not wanted", "--no-trace ", recording.Bytes(), trace, "time", ""},
		{"none", "", recording.Bytes(), nil, "time", ""},
		{"of an earlier run", "--request label:request ", old.Bytes(), trace, "time", "was of no use: the trace is of other seconds"},
		{"no trace", "", recording.Bytes(), []byte("hello"), "time", "was of no use: no execution trace"},
	} {
		dir := t.TempDir()
		file := filepath.Join(dir, keptMayfly)
		if err := os.WriteFile(file, tt.recording, 0o600); err != nil {
			t.Fatal(err)
		}
		if tt.trace != nil {
			if err := os.WriteFile(filepath.Join(dir, keptTrace), tt.trace, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		var out bytes.Buffer
		e := &env{stdin: strings.NewReader(""), stdout: &out, stderr: &out, getenv: func(string) string { return "" }}
		run(t.Context(), e, append([]string{"report", "--slo", "p99<10s", "--format", "json"}, strings.Fields(tt.args+file)...))
		var got struct {
			Evidence string
			Notes    []string
		}
		if err := json.Unmarshal(out.Bytes(), &got); err != nil {
			t.Fatalf("%s: %v\n%s", tt.name, err, out.String())
		}
		notes := strings.Join(got.Notes, "\n")
		if got.Evidence != tt.evidence || (tt.note == "") != (notes == "") || !strings.Contains(notes, tt.note) {
			t.Errorf("%s: evidence %s, notes %q; want %s, %q", tt.name, got.Evidence, notes, tt.evidence, tt.note)
		}
	}
}
