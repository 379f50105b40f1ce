package profiler

import (
	"fmt"
	"os"

	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/internal/source/bpf"
	"github.com/mayfly-profiler/mayfly/internal/source/perf"
)

// Rung is an engine of the ladder that Record climbs down, and what keeps it from being used here: nil when nothing does. The error
// wraps fs.ErrPermission or errors.ErrUnsupported, and names the remedy.
type Rung struct {
	Engine Engine
	Err    error
}

// Probe tries the engines that see other processes, best first: what this kernel, these rights and this sandbox allow for a
// process of one's own user. It loads the eBPF program and opens a perf event, and takes both away again.
func Probe() []Rung {
	return []Rung{{EBPF, bpf.Probe()}, {Perf, perf.Probe()}, {Table, probeTable()}}
}

// probeTable reads this process's memory by the way that others' is read.
func probeTable() error {
	p, err := proc.Open(os.Getpid())
	if err != nil {
		return fmt.Errorf("goroutine table: %w", err)
	}
	defer p.Close()
	if err := p.Readable(); err != nil {
		return fmt.Errorf("goroutine table: %w", err)
	}
	return nil
}
