package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/profiler"
)

// A model of noise is one thing, the noise of real programs on a real machine another. These tests
// take many short recordings of unchanged programs and compare them with each other: whatever the
// diff calls a regression there is a false one. Recording takes ten minutes, so it is asked for:
//
//	MAYFLY_RECORDINGS=/some/folder go test -run TestRecordings ./cmd/mayfly
//
// The recordings stay in that folder and are taken once.

const (
	recordingsPerProgram = 40
	recordingLength      = 2500 * time.Millisecond
)

// programs are the workloads of which recordings are taken, each from a fresh process.
var programs = []struct {
	name   string
	bursty bool
	start  func(*testing.T) (pid int, end func())
}{
	{"spin", false, testdataProgram("spin")},
	{"server", false, testdataProgram("server")},
	{"capture", false, testdataProgram("capture")},
	{"tickphase", true, testdataProgram("tickphase")},
	{"demo", true, startDemo},
}

func testdataProgram(name string) func(*testing.T) (int, func()) {
	return func(t *testing.T) (int, func()) {
		x := target.Start(t, target.Compile(t, name, target.Build{}))
		return x.PID, x.Stop
	}
}

// startDemo starts the demo's service and its load.
func startDemo(t *testing.T) (int, func()) {
	exe, err := exec.LookPath("mayfly")
	if err != nil {
		t.Fatal(err)
	}
	service, ready, err := startExecutable(exe, "service")
	if err != nil {
		t.Fatal(err)
	}
	load, _, err := startExecutable(exe, "load", ready.URL)
	if err != nil {
		t.Fatal(err)
	}
	return ready.PID, func() { load.end(); service.end() }
}

// recordings returns the folder with the recordings, having made those that are missing.
func recordings(t *testing.T) string {
	dir := os.Getenv("MAYFLY_RECORDINGS")
	if dir == "" {
		t.Skip("MAYFLY_RECORDINGS names no folder: recordings take ten minutes")
	}
	for i := range recordingsPerProgram {
		for _, p := range programs {
			path := filepath.Join(dir, fmt.Sprintf("%s-%02d.pb.gz", p.name, i))
			if _, err := os.Stat(path); err == nil {
				continue
			}
			pid, end := p.start(t)
			takeRecording(t, pid, path)
			end()
		}
	}
	return dir
}

// takeRecording waits until the program runs smoothly, and records it with all there is to keep.
func takeRecording(t *testing.T, pid int, path string) {
	time.Sleep(500 * time.Millisecond)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	o := profiler.Options{Keep: profiler.Keep{Timeline: true}}
	o.Started = func() { time.AfterFunc(recordingLength, cancel) }
	rec, err := profiler.Record(ctx, pid, o)
	target.Need(t, err)
	if err != nil {
		t.Fatal(err)
	}
	if err := writeOutput(processEnv(), path, func(w io.Writer) error { return rec.Profile.Write(w) }); err != nil {
		t.Fatal(err)
	}
}

func TestRecordings(t *testing.T) { recordings(t) }
