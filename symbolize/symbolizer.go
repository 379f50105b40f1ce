package symbolize

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/goruntime/names"
	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/symbolize/internal/kallsyms"
)

const (
	// refreshEvery bounds how often the mappings are read again for addresses that are in none.
	refreshEvery = 200 * time.Millisecond
	// maxObjects bounds the files that are kept open for one process.
	maxObjects = 512
	// maxMappings bounds what is remembered of a process that maps code without end.
	maxMappings = 1 << 16
	// maxWarnings bounds what a process can make us say.
	maxWarnings = 64
)

// Options change what a Symbolizer does. The zero value is what a profile needs.
type Options struct {
	KeepWrappers bool // do not leave out frames of Wrapper functions
	NoKernel     bool // do not read kernel symbols: all kernel addresses become "[kernel]"

	// Ahead is a file that the process is expected to have mapped, read before it did. The Symbolizer
	// closes it.
	Ahead *Ahead
}

// Symbolizer resolves the addresses of one process. It is for one goroutine at a time, and it
// remembers files, not answers: callers that meet an address again keep the frames.
type Symbolizer struct {
	p     *proc.Process
	owned *proc.Process // p, if it is ours to close
	o     Options
	now   func() time.Time

	regions []region // executable mappings, ascending
	former  []region // those that the process has had, newest last

	generated []span // memory of no file that is executable, ascending
	perf      perfMap
	mappings  []Mapping
	objects   map[identity]*object
	kernel    kernel
	warnings  []string

	refreshed time.Time
	young     *young // nil: not started a moment ago
}

// New is Process for who has the process open, as mayfly's own packages do. It opens the files of all executable mappings of p. p stays
// the caller's and is used until Close. Files that cannot be opened or understood are no error: their addresses resolve to
// synthetic names, and Warnings tells. The error is one of reading the mappings.
func New(p *proc.Process, o Options) (*Symbolizer, error) {
	s := &Symbolizer{p: p, o: o, now: time.Now, objects: map[identity]*object{}, kernel: kernel{root: "/proc"}}
	maps, err := p.Maps()
	if gone := errors.Is(err, proc.ErrNoProcess) || err == nil && len(maps) == 0; gone && o.Ahead != nil {
		s.warn("the process ended before its mappings could be read: only its own code is known, if that has fixed addresses")
		maps, err = o.Ahead.mappings(), nil
	}
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("symbolize: %w", err)
	}
	s.refreshed = s.now()
	if o.Ahead != nil {
		s.young = watch(p)
	}
	s.generated = anonymous(maps)
	s.adopt(mainFirst(p, executable(maps)))
	if len(s.mappings) > 0 && s.mappings[0].Kind == C && !slices.ContainsFunc(s.mappings, func(m Mapping) bool { return m.Kind == Go }) {
		s.warn("%s: not a Go binary: frames have no lines and no inlined calls", s.mappings[0].File)
	}
	return s, nil
}

// Resolve appends the frames at a user address to dst, innermost first, and returns the index of
// the address's mapping in Mappings, -1 when it is in none. The address is that of an
// instruction: a return address has to be decremented by the caller.
//
// An address without a symbol gives one synthetic frame, "[file]+0xlink-address" or "[unknown]". One in code that
// the process generated in memory of no file has Kind JIT, and the name that the process wrote into
// /tmp/perf-PID.map, or "[jit]".
// An address that is only a compiler-made wrapper gives no frame at all, as in runtime/pprof,
// unless Options.KeepWrappers: leave it out of the stack.
//
// An address in no known mapping makes the mappings be read again, at most 5 times a second. One in the
// kernel's half is a word that the process made up: it may not learn the kernel's symbols by that.
func (s *Symbolizer) Resolve(dst []Frame, pc uint64) ([]Frame, int) {
	r := s.region(pc)
	if r == nil && pc < kernelHalf && !s.inGenerated(pc) && s.refresh() {
		r = s.region(pc)
	}
	switch {
	case r == nil && s.inGenerated(pc):
		return append(dst, s.jit(pc)), -1
	case r == nil:
		return append(dst, Frame{Func: "[unknown]"}), -1
	case r.obj.kind == JIT:
		return append(dst, s.jit(pc)), r.index
	}
	n := len(dst)
	dst = r.obj.resolve(dst, pc-r.bias)
	if !s.o.KeepWrappers {
		dst = elide(dst, n)
	}
	return dst, r.index
}

// ResolveKernel appends the function at a kernel address and returns the index of the kernel's
// mapping in Mappings. The first call reads /proc/kallsyms. Where symbols are hidden or unknown
// the frame is "[kernel]", and Warnings says why.
func (s *Symbolizer) ResolveKernel(dst []Frame, pc uint64) ([]Frame, int) {
	if s.kernel.tried.IsZero() {
		s.loadKernel()
		s.kernel.index = s.addMapping(s.kernel.mapping())
	}
	name, kind, ok := s.kernel.lookup(pc)
	if !ok && s.kernel.tab != nil && s.now().Sub(s.kernel.tried) >= rereadKernel {
		s.loadKernel()
		name, kind, ok = s.kernel.lookup(pc)
	}
	f := Frame{Func: "[kernel]", Kind: Kernel}
	if ok {
		f.Func = name
	}
	if kind == kallsyms.BPF {
		f.Kind = BPF
	}
	return append(dst, f), s.kernel.index
}

// elide removes wrappers from dst[n:], by the rule of the runtime (runtime.elideWrapperCalling):
// one that called into a panic stays, because it is where the panic happened.
func elide(dst []Frame, n int) []Frame {
	callee := ""
	out := dst[:n]
	for _, f := range dst[n:] {
		panics := names.Match(callee, names.Panics)
		callee = f.Func
		if !f.Wrapper || panics {
			out = append(out, f)
		}
	}
	return out
}

// jit names an address in generated code. What has no name makes the map be read again, if it has changed.
func (s *Symbolizer) jit(pc uint64) Frame {
	name, ok := s.perf.lookup(pc)
	if now := s.now(); !ok && !now.Before(s.perf.next) {
		s.readPerfMap()
		s.perf.next = now.Add(max(refreshEvery, perfShare*s.now().Sub(now)))
		name, ok = s.perf.lookup(pc)
	}
	if !ok {
		name = "[jit]"
	}
	return Frame{Func: name, Kind: JIT}
}

// SPDelta returns the pcsp value at a user address: how many bytes the stack pointer lies below
// its value at the entry of the function. ok is false outside of Go code.
func (s *Symbolizer) SPDelta(pc uint64) (delta int32, ok bool) {
	r := s.region(pc)
	if r == nil || r.obj.golang == nil {
		return 0, false
	}
	return r.obj.golang.SPDelta(pc - r.bias)
}

// InGo reports whether a user address lies in a Go function. It never reads the mappings again,
// so that it may be asked about words which are likely no addresses.
func (s *Symbolizer) InGo(pc uint64) bool {
	r := s.region(pc)
	return r != nil && r.obj.golang != nil && r.obj.golang.Contains(pc-r.bias)
}

// Entry reports whether a Go function begins at a user address.
func (s *Symbolizer) Entry(pc uint64) bool {
	r := s.region(pc)
	return r != nil && r.obj.golang != nil && r.obj.golang.Entry(pc-r.bias)
}

// Mappings returns the mappings seen so far. The main binary's come first. The list only grows,
// so that indexes stay valid; the kernel's mapping is added by its first use.
func (s *Symbolizer) Mappings() []Mapping { return slices.Clone(s.mappings) }

// Warnings returns what kept symbols from being read, one line each, in the order of discovery.
func (s *Symbolizer) Warnings() []string { return slices.Clone(s.warnings) }

func (s *Symbolizer) warn(format string, args ...any) {
	if w := fmt.Sprintf(format, args...); len(s.warnings) < maxWarnings && !slices.Contains(s.warnings, w) {
		s.warnings = append(s.warnings, w)
	}
}

// Close closes all files.
func (s *Symbolizer) Close() error {
	s.young.stop()
	var first error
	if s.o.Ahead != nil {
		first = s.o.Ahead.Close()
	}
	for _, o := range s.objects {
		if s.o.Ahead != nil && o == s.o.Ahead.object {
			continue
		}
		if err := o.close(); err != nil && first == nil {
			first = err
		}
	}
	if s.owned != nil {
		first = cmp.Or(first, s.owned.Close())
	}
	return first
}

// Main returns the main binary and its load bias, run-time minus link-time address; nil when it is
// no Go binary that could be read. The Binary is valid until Close.
func (s *Symbolizer) Main() (*Binary, uint64) {
	for _, r := range s.regions {
		if r.index == 0 && r.obj != nil && r.obj.golang != nil {
			return r.obj.golang, r.bias
		}
	}
	return nil, 0
}

// At returns the Go binary that is mapped at a user address, and its load bias; nil when there is none
// that could be read. The Binary is valid until Close.
func (s *Symbolizer) At(addr uint64) (*Binary, uint64) {
	if r := s.region(addr); r != nil && r.obj != nil && r.obj.golang != nil {
		return r.obj.golang, r.bias
	}
	return nil, 0
}
