package symbolize

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"
	"weak"

	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/symbolize/internal/kallsyms"
)

const (
	kernelFile = "[kernel.kallsyms]" // the name that perf gives the mapping
	kernelHalf = 1 << 63             // kernel addresses have the top bit, on amd64 and arm64

	// rereadKernel is how often kallsyms may be read again for an address that it did not have:
	// BPF programs and modules come and go, but one reading costs 0.1 s of CPU time, and where others load programs all the time each
	// reading helps.
	rereadKernel = time.Minute
	rereadMissed = 8                // addresses that it did not have
	rereadRarely = 10 * time.Minute // where it does not help
)

// kernel resolves kernel addresses.
type kernel struct {
	root   string          // of proc
	none   bool            // its symbols are not wanted
	tab    *kallsyms.Table // nil before the first use, and when there are no symbols
	tried  time.Time       // when kallsyms was last read; zero before the first use
	pause  time.Duration   // for how long it is not read again: twice as long each time that it did not help
	missed int             // addresses that it did not have
	index  int             // in the list of mappings
}

// frame names a kernel address. The first call reads the symbols.
func (k *kernel) frame(pc uint64, clock func() time.Time, w *warnings) Frame {
	if k.tried.IsZero() {
		k.load(clock(), w)
	}
	name, kind, ok := k.lookup(pc)
	if !ok && k.tab != nil {
		k.missed++
		if now := clock(); k.missed >= rereadMissed && now.Sub(k.tried) >= max(k.pause, rereadKernel) {
			k.load(now, w)
			k.missed = 0
			if name, kind, ok = k.lookup(pc); ok {
				k.pause = 0
				kernels.helped()
			} else {
				k.pause = min(max(2*k.pause, 2*rereadKernel), rereadRarely)
			}
		}
	}
	f := Frame{Func: "[kernel]", Kind: Kernel}
	if ok {
		f.Func = name
	}
	if kind == kallsyms.BPF {
		f.Kind = BPF
	}
	return f
}

func (k *kernel) lookup(pc uint64) (string, kallsyms.Kind, bool) {
	if k.tab == nil {
		return "", 0, false
	}
	return k.tab.Lookup(pc)
}

// mapping is the whole half of the address space from the kernel's lowest function on.
func (k *kernel) mapping() Mapping {
	start := uint64(kernelHalf)
	if k.tab != nil {
		start = k.tab.Start()
	}
	return Mapping{Start: start, Limit: 1<<64 - 1, Offset: start, File: kernelFile, Kind: Kernel}
}

func (k *kernel) load(now time.Time, w *warnings) {
	k.tried = now
	if k.none {
		return
	}
	tab, err := kernels.read(k.root, now)
	switch {
	case err != nil:
		w.add("kernel symbols: %v", err)
	case tab.Hidden():
		w.add("kernel symbols are hidden from this process%s: needs CAP_SYSLOG, or kernel.kptr_restrict=0 and kernel.perf_event_paranoid<=1",
			restriction())
	default:
		k.tab = tab
	}
}

// kernels has the symbols that were read last, for all who resolve addresses at the same time: they are many megabytes.
var kernels sharedKernel

type sharedKernel struct {
	mu    sync.Mutex
	root  string
	at    time.Time
	pause time.Duration // as that of a kernel, but for all: twenty that each read them again twenty seconds later read each second
	tab   weak.Pointer[kallsyms.Table]
}

// helped is for an address that was found in what was read last.
func (s *sharedKernel) helped() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pause = 0
}

// read reads the symbols, unless somebody has them who read them not long before.
func (s *sharedKernel) read(root string, now time.Time) (*kallsyms.Table, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	had := s.tab.Value()
	if had != nil && s.root == root && now.Sub(s.at).Abs() < max(s.pause, rereadKernel) {
		return had, nil
	}
	if s.pause = min(2*max(s.pause, rereadKernel), rereadRarely); had == nil || s.root != root {
		s.pause = 0
	}
	tab, err := readKernel(root)
	if err == nil && !tab.Hidden() {
		s.root, s.at, s.tab = root, now, weak.Make(tab)
	}
	return tab, err
}

func restriction() string {
	r, err := proc.HostRights()
	if err != nil || r.KptrRestrict < 0 {
		return ""
	}
	if r.KptrRestrict >= 2 {
		return " (kernel.kptr_restrict=2 hides them from everyone)"
	}
	return fmt.Sprintf(" (kernel.kptr_restrict=%d, kernel.perf_event_paranoid=%d)", r.KptrRestrict, r.PerfEventParanoid)
}

func readKernel(root string) (*kallsyms.Table, error) {
	f, err := os.Open(filepath.Join(root, "kallsyms"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var modules io.Reader
	if m, err := os.Open(filepath.Join(root, "modules")); err == nil { // absent without CONFIG_MODULES
		defer m.Close()
		modules = m
	}
	return kallsyms.Read(f, modules)
}
