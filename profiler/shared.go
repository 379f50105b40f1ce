package profiler

import "github.com/mayfly-profiler/mayfly/internal/source/bpf"

// Host is what the recordings of one process have in common in the kernel, where they are of several processes: one event on each CPU
// and one program at each of the scheduler's tracepoints, which call the programs of the process whose thread it is. Without it ten
// recordings interrupt each CPU ten times as often as one. They are there while a recording is that has the Host, and a recording
// that cannot have it (in a PID namespace, or of a process that another one records) has its own.
//
// A Host is made by NewHost, given to recordings by Options.Host, and safe for concurrent use.
type Host struct{ all *bpf.Host }

// NewHost returns a Host that samples at a rate, Hz, instead of the Rate of its recordings; 0 is DefaultRate.
func NewHost(rate int) *Host {
	if rate == 0 {
		rate = DefaultRate
	}
	return &Host{bpf.NewHost(rate)}
}

func (h *Host) events() *bpf.Host {
	if h == nil {
		return nil
	}
	return h.all
}
