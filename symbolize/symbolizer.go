package symbolize

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/goruntime/names"
	"github.com/mayfly-profiler/mayfly/internal/proc"
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

// region is an executable mapping of a file.
type region struct {
	proc.Mapping
	obj   *object
	bias  uint64 // address minus link-time address
	index int    // in mappings
}

// identity tells files apart, also those that have had the same path.
type identity struct {
	dev, inode uint64
	path       string
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

// span is a range of addresses, limit is exclusive.
type span struct{ start, limit uint64 }

// anonymous are the mappings with code that no file has: a program generated it, as wazero and sonic do.
func anonymous(maps []proc.Mapping) (spans []span) {
	for _, m := range maps {
		if m.Exec && ofNoFile(m) {
			spans = append(spans, span{m.Start, m.End})
		}
	}
	return spans
}

// ofNoFile says whether a mapping is anonymous memory. The kernel may have been told a name for it
// (PR_SET_VMA_ANON_NAME), and calls it /dev/zero where it is shared (shmem_zero_setup in mm/shmem.c).
func ofNoFile(m proc.Mapping) bool {
	return m.Path == "" || strings.HasPrefix(m.Path, "[anon:") || m.Path == "/dev/zero" && m.Deleted
}

// inGenerated says whether a user address lies in code that the process generated.
func (s *Symbolizer) inGenerated(pc uint64) bool {
	_, ok := slices.BinarySearchFunc(s.generated, pc, func(x span, pc uint64) int {
		switch {
		case x.limit <= pc:
			return -1
		case pc < x.start:
			return 1
		}
		return 0
	})
	return ok
}

// executable keeps the mappings with code of a file.
func executable(maps []proc.Mapping) []proc.Mapping {
	return slices.DeleteFunc(maps, func(m proc.Mapping) bool {
		return !m.Exec || ofNoFile(m)
	})
}

// mainFirst moves the mappings of the main binary to the front: the first mapping of a pprof
// profile names the program.
func mainFirst(p *proc.Process, maps []proc.Mapping) []proc.Mapping {
	exe := slices.IndexFunc(maps, p.IsExe)
	if exe < 0 {
		return maps
	}
	id := identify(maps[exe])
	slices.SortStableFunc(maps, func(a, b proc.Mapping) int {
		return cmp.Compare(boolRank(identify(a) != id), boolRank(identify(b) != id))
	})
	return maps
}

func boolRank(b bool) int {
	if b {
		return 1
	}
	return 0
}

func identify(m proc.Mapping) identity { return identity{m.Dev, m.Inode, m.Path} }

// adopt makes maps the regions of now. Regions that are gone still resolve, behind the new ones:
// samples arrive late.
func (s *Symbolizer) adopt(maps []proc.Mapping) {
	old := make(map[proc.Mapping]region, len(s.regions))
	for _, r := range s.regions {
		old[r.Mapping] = r
	}
	last := s.regions
	s.regions = make([]region, 0, len(maps))
	for _, m := range maps {
		if r, ok := old[m]; ok {
			s.regions = append(s.regions, r)
			delete(old, m)
		} else if len(s.mappings) < maxMappings {
			s.regions = append(s.regions, s.newRegion(m))
		}
	}
	for _, r := range last {
		if _, gone := old[r.Mapping]; gone {
			s.former = append(s.former, r)
		}
	}
	slices.SortFunc(s.regions, func(a, b region) int { return cmp.Compare(a.Start, b.Start) })
}

func (s *Symbolizer) newRegion(m proc.Mapping) region {
	obj := s.object(m)
	return region{Mapping: m, obj: obj, bias: obj.bias(m.Start, m.Offset), index: s.addMapping(Mapping{
		Start: m.Start, Limit: m.End, Offset: m.Offset, File: m.Path, BuildID: obj.buildID, Kind: obj.kind,
	})}
}

func (s *Symbolizer) addMapping(m Mapping) int {
	s.mappings = append(s.mappings, m)
	return len(s.mappings) - 1
}

// object opens the file of a mapping, once.
func (s *Symbolizer) object(m proc.Mapping) *object {
	id := identify(m)
	if o := s.objects[id]; o != nil {
		return o
	}
	o, err := s.open(m)
	if err != nil {
		s.warn("%v", err)
	}
	s.objects[id] = o
	return o
}

func (s *Symbolizer) open(m proc.Mapping) (*object, error) {
	unread := unreadObject(m.Path)
	if m.Path == "[vdso]" {
		return openVDSO(s.p, m)
	}
	if m.Path[0] != '/' { // [vsyscall], [uprobes]
		return unread, nil
	}
	if a := s.o.Ahead; a != nil && m.Of(a.object.file) {
		return a.object, a.err
	}
	if len(s.objects) >= maxObjects {
		return unread, fmt.Errorf("symbolize: %s: more than %d files are mapped: not opened", m.Path, maxObjects)
	}
	f, err := s.p.OpenMapping(m)
	if err != nil {
		if s.beginsWithCode(m) {
			unread.kind, err = JIT, nil
		}
		return unread, err
	}
	o, err := newObject(m.Path, f)
	o.file = f
	if o.elf == nil && isMemfd(m) {
		o.kind, err = JIT, nil
	}
	return o, err
}

// region returns the region of a user address, or nil.
func (s *Symbolizer) region(pc uint64) *region {
	i := sort.Search(len(s.regions), func(i int) bool { return s.regions[i].End > pc })
	if i < len(s.regions) && s.regions[i].Start <= pc {
		return &s.regions[i]
	}
	for i := len(s.former) - 1; i >= 0; i-- {
		if r := &s.former[i]; r.Start <= pc && pc < r.End {
			return r
		}
	}
	return nil
}

// refresh reads the mappings again, not too often, and reports whether it did.
func (s *Symbolizer) refresh() bool {
	now := s.now()
	if maps := s.young.take(); maps != nil {
		s.generated = anonymous(maps)
		s.adopt(executable(maps))
		return true
	}
	if now.Sub(s.refreshed) < refreshEvery {
		return false
	}
	s.refreshed = now
	maps, err := s.p.Maps()
	if err != nil || len(maps) == 0 {
		return false // it has ended: what we know is all there will be
	}
	s.generated = anonymous(maps)
	s.adopt(executable(maps))
	return true
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
