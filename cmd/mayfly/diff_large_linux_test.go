package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/pprof/profile"
)

// large makes a profile of so many samples and functions, with stacks of 20 frames and labels.
func large(seed uint64, samples, functions int) *profile.Profile {
	rng := rand.New(rand.NewPCG(seed, 1))
	p := &profile.Profile{
		SampleType:        []*profile.ValueType{{Type: "samples", Unit: "count"}, {Type: "cpu", Unit: "nanoseconds"}},
		DefaultSampleType: "cpu", PeriodType: &profile.ValueType{Type: "cpu", Unit: "nanoseconds"}, Period: 1e6, DurationNanos: 250e9,
	}
	for i := range functions {
		name := fmt.Sprintf("example.com/large/package%d.(*Type%d).Method%d", i%200, i%2000, i)
		f := &profile.Function{ID: uint64(i + 1), Name: name, SystemName: name, Filename: fmt.Sprintf("/src/package%d/file%d.go", i%200, i%2000)}
		p.Function = append(p.Function, f)
		p.Location = append(p.Location, &profile.Location{ID: f.ID, Address: uint64(i) * 64,
			Line: []profile.Line{{Function: f, Line: int64(i % 1000)}}})
	}
	for range samples {
		s := &profile.Sample{Value: []int64{2, 2e6}, Label: map[string][]string{"endpoint": {fmt.Sprintf("/e%d", rng.IntN(20))}}}
		for range 20 {
			u := rng.Float64()
			s.Location = append(s.Location, p.Location[int(u*u*float64(functions))])
		}
		p.Sample = append(p.Sample, s)
	}
	return p
}

// TestLargeProfiles compares two profiles of 500,000 samples and 50,000 functions in a process of
// its own, whose memory the kernel measures.
func TestLargeProfiles(t *testing.T) {
	if testing.Short() {
		t.Skip("makes two large profiles")
	}
	var files []string
	for i := range 2 {
		path := filepath.Join(t.TempDir(), fmt.Sprintf("%d.pb.gz", i))
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := large(uint64(i), 500_000, 50_000).Write(f); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		files = append(files, path)
	}
	exe, err := exec.LookPath("mayfly")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, append([]string{"diff"}, files...)...)
	start := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	peak := 0
	for running := true; running; {
		select {
		case err := <-done:
			if running = false; err != nil {
				t.Fatal(err)
			}
		case <-time.After(5 * time.Millisecond):
			peak = max(peak, peakMemory(cmd.Process.Pid))
		}
	}
	t.Logf("%s, %s CPU, %d MB", time.Since(start).Round(10*time.Millisecond),
		(cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Round(10*time.Millisecond), peak/1000)
	if peak == 0 || peak > 500e3 {
		t.Errorf("%d kB of memory, want at most 500 MB", peak)
	}
}

// peakMemory is the largest memory that a process had, kB; 0 when it has ended. What wait4 tells is
// no good: a child starts with the peak of its parent.
func peakMemory(pid int) (kb int) {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, text, _ := strings.Cut(string(status), "VmHWM:")
	fmt.Sscan(text, &kb)
	return kb
}
