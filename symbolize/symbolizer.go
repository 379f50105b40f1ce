package symbolize

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/goruntime/names"
	"github.com/mayfly-profiler/mayfly/internal/proc"
)

// Options change what a Symbolizer does. The zero value is what a profile needs.
type Options struct {
	KeepWrappers bool // do not leave out frames of Wrapper functions
	NoKernel     bool // do not read kernel symbols: all kernel addresses become "[kernel]"

	// Ahead is a file that the process is expected to have mapped, read before it did. The Symbolizer
	// closes it.
	Ahead *Ahead

	// Space is the memory that addresses are of, which stays the caller's; nil: what the process has when New is called.
	Space *proc.Space
}

// Symbolizer resolves the addresses of one process. It is for one goroutine at a time, and it
// remembers files, not answers: callers that meet an address again keep the frames.
type Symbolizer struct {
	space
	perf   perfMap
	kernel kernel

	keepWrappers bool
	owned        *proc.Process // the process, if it is ours to close
}

// New is Process for a caller that has opened the process itself, as mayfly's own packages do. It opens the files of all
// executable mappings of p, which stays the caller's and is used until Close. Files that cannot be opened or understood are no
// error: their addresses resolve to synthetic names, and Warnings tells. The error is one of reading the mappings.
func New(p *proc.Process, o Options) (*Symbolizer, error) {
	s := &Symbolizer{
		space:        space{p: p, memory: o.Space, ahead: o.Ahead, now: time.Now, objects: map[identity]*object{}},
		perf:         perfMap{open: p.OpenPerfMap},
		kernel:       kernel{root: "/proc", none: o.NoKernel},
		keepWrappers: o.KeepWrappers,
	}
	if err := s.load(); err != nil {
		s.Close()
		return nil, fmt.Errorf("symbolize: %w", err)
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
	if r == nil && pc < kernelHalf && !s.generated.contain(pc) && s.refresh() {
		r = s.region(pc)
	}
	switch {
	case r == nil && s.generated.contain(pc):
		return append(dst, s.perf.frame(pc, s.now, &s.warnings)), -1
	case r == nil:
		return append(dst, Frame{Func: "[unknown]"}), -1
	case r.obj.kind == JIT:
		return append(dst, s.perf.frame(pc, s.now, &s.warnings)), r.index
	}
	n := len(dst)
	dst = r.obj.resolve(dst, pc-r.bias)
	if !s.keepWrappers {
		dst = elide(dst, n)
	}
	return dst, r.index
}

// ResolveKernel appends the function at a kernel address and returns the index of the kernel's
// mapping in Mappings. The first call reads /proc/kallsyms. Where symbols are hidden or unknown
// the frame is "[kernel]", and Warnings says why.
func (s *Symbolizer) ResolveKernel(dst []Frame, pc uint64) ([]Frame, int) {
	first := s.kernel.tried.IsZero()
	f := s.kernel.frame(pc, s.now, &s.warnings)
	if first {
		s.kernel.index = s.addMapping(s.kernel.mapping())
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
func (s *Symbolizer) Warnings() []string { return slices.Clone(s.warnings.lines) }

// Drop is Binary.Drop of all Go files: for who remembers the frames of addresses, and meets few new ones.
func (s *Symbolizer) Drop() {
	for _, o := range s.objects {
		if o.golang != nil {
			o.golang.Drop()
		}
	}
}

// Close closes all files.
func (s *Symbolizer) Close() error {
	first := s.close()
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
