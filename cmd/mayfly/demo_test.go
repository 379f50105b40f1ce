package main

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/profiler"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// orderLines is a recording of the demo's service: one sample of a goroutine that handles an order line.
func orderLines() *profile.Profile {
	f := &profile.Function{ID: 1, Name: "example.com" + lineFunction}
	l := &profile.Location{ID: 1, Line: []profile.Line{{Function: f}}}
	return &profile.Profile{
		SampleType: []*profile.ValueType{{Type: sample.ColumnSamples, Unit: "count"}, {Type: sample.ColumnCPU, Unit: "nanoseconds"}},
		Function:   []*profile.Function{f}, Location: []*profile.Location{l},
		Sample: []*profile.Sample{{Location: []*profile.Location{l}, Value: []int64{1, 1e6},
			Label: map[string][]string{"endpoint": {"/fulfil"}}, NumLabel: map[string][]int64{sample.KeyID: {7}}}},
	}
}

// A default profile that does not come takes nothing from mayfly's: it is written and shown, the other is said to be missing, and what
// lies there of an earlier run is said to be that.
func TestDemoKeepsWhatThereIs(t *testing.T) {
	for name, tt := range map[string]struct {
		truth int // status of the service's truth
		shown string
	}{
		"late profile":   {http.StatusOK, "order lines (4 goroutines) seen"},
		"silent service": {http.StatusServiceUnavailable, "endpoint=/fulfil"},
	} {
		service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(tt.truth)
			w.Write([]byte(`{"lines":4}`))
		}))
		defer service.Close()
		var out, words bytes.Buffer
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, defaultFile), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		late := errors.New("it did not arrive in time")
		done := make(chan fetched, 1)
		done <- fetched{err: late}
		d := &demoRun{env: &env{stdout: &out, stderr: &words}, url: service.URL, rec: &profiler.Recording{Profile: orderLines()}}
		d.complete(context.Background(), done)
		if err := d.report(dir); !errors.Is(err, late) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Stat(filepath.Join(dir, demoFile)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if text := out.String(); !strings.Contains(text, tt.shown) || !strings.Contains(text, "missing") || strings.Contains(text, defaultFile) {
			t.Errorf("%s: %s", name, text)
		}
		if !strings.Contains(words.String(), defaultFile+" is of an earlier run") {
			t.Errorf("%s: %s", name, words.String())
		}
	}
}
