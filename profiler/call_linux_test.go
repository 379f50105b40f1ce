package profiler_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/profiler"
)

// Each goroutine of testdata/calls is blocked in the system call that its label names, whether it
// was so before the recording began or goes in and out all the time.
func TestCalls(t *testing.T) {
	x := target.Start(t, target.Compile(t, "calls", target.Build{}))
	rec := record(t, x.PID, 2*time.Second, profiler.Options{Mode: profiler.Wall, MaxOverhead: 1})
	target.NeedAll(t, rec.Summary.EngineCPU == "ebpf", rec.Summary.Denied) // system calls have no names without eBPF
	named, all := make(map[string]int64), make(map[string]int64)
	for _, s := range rec.Profile.Sample {
		if len(s.Label["call"]) == 0 || s.Label["go.state"][0] != "syscall" {
			continue
		}
		call, ns := s.Label["call"][0], s.Value[4]
		all[call] += ns
		switch got := s.Label["go.syscall"]; {
		case len(got) == 0:
		case got[0] == call:
			named[call] += ns
		case got[0] == "futex" && target.Emulated(): // it is on its way out of the call, and waits for a lock of the runtime's
			all[call] -= ns
		default:
			t.Errorf("%s: %v for %v", call, got, time.Duration(ns))
		}
	}
	poll := "epoll_wait"
	if runtime.GOARCH == "arm64" {
		poll = "epoll_pwait"
	}
	enough := time.Second
	if target.Emulated() {
		enough /= 4
	}
	for _, call := range []string{"read", "flock", "wait4", poll, "nanosleep"} {
		least := int64(98)                            // percent
		if call == "nanosleep" && target.Emulated() { // it is long on its way in and out, in no call
			least = 50
		}
		if all[call] < int64(enough) || named[call] < all[call]*least/100 {
			t.Errorf("%s: of %v in a system call %v have its name", call, time.Duration(all[call]), time.Duration(named[call]))
		}
	}
}
