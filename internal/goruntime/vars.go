package goruntime

import (
	"debug/elf"
	"errors"
	"fmt"
	"io"
)

// Vars are the addresses that reading a live runtime starts from. FindVars returns link-time
// addresses; Add makes run-time addresses of them. An address that a program lacks, or that could
// not be found, is 0; Allglen, Allgptr, Sched and Goexit are always there.
type Vars struct {
	Allglen uint64 // runtime.allglen, uintptr: how many goroutines there are, dead ones included
	Allgptr uint64 // runtime.allgptr, **g: their array
	Allp    uint64 // runtime.allp, []*p
	Sched   uint64 // runtime.sched, schedt
	GCPhase uint64 // runtime.gcphase, uint32
	// SweepGen is runtime.mheap_.sweepgen, uint32: twice the number of mark phases that have ended. See Grace.
	SweepGen uint64

	// WaitReasons is runtime.waitReasonStrings, an array of NWaitReasons strings.
	WaitReasons  uint64
	NWaitReasons int

	Goexit       uint64 // entry of runtime.goexit, below every goroutine
	Main         uint64 // entry of runtime.main, the start of the first one
	AsyncPreempt Range  // what lies below runtime.asyncPreempt on a stack was interrupted, not calling
	CgoCallback  Range  // runtime.cgocallback: C called Go here, frame pointers lead into C

	From string // FromSymbols or FromCode
}

// Range is a range of addresses; the zero Range is empty.
type Range struct{ Lo, Hi uint64 }

// Contains reports whether pc lies in the range.
func (r Range) Contains(pc uint64) bool { return pc >= r.Lo && pc < r.Hi }

// Values of Vars.From: where the addresses of variables come from.
const (
	FromSymbols = "symbols" // the executable's symbol table
	FromCode    = "code"    // disassembly of functions that use them
)

// Add returns the addresses moved by the load bias of a position-independent executable.
func (v Vars) Add(bias uint64) *Vars {
	for _, p := range v.variables() {
		shift(p.addr, bias)
	}
	shift(&v.WaitReasons, bias)
	shift(&v.Goexit, bias)
	shift(&v.Main, bias)
	for _, r := range []*Range{&v.AsyncPreempt, &v.CgoCallback} {
		shift(&r.Lo, bias)
		shift(&r.Hi, bias)
	}
	return &v
}

func shift(addr *uint64, bias uint64) {
	if *addr != 0 {
		*addr += bias
	}
}

// variable is one of Vars' data addresses.
type variable struct {
	name string
	addr *uint64
	need bool
}

func (v *Vars) variables() []variable {
	return []variable{
		{"runtime.allglen", &v.Allglen, true},
		{"runtime.allgptr", &v.Allgptr, true},
		{"runtime.allp", &v.Allp, false},
		{"runtime.sched", &v.Sched, true},
		{"runtime.gcphase", &v.GCPhase, false},
		{"runtime.mheap_.sweepgen", &v.SweepGen, false},
	}
}

// FindVars finds the runtime's variables in r, the ELF file that l was read from. Their addresses
// come from the symbol table, or from the code of functions that use them when the file is
// stripped. fn finds the link-time range of a Go function by its name in pclntab
// (symbolize.Binary.Func). The error names what could not be found and wraps
// errors.ErrUnsupported.
func FindVars(r io.ReaderAt, l *Layout, fn func(name string) (lo, hi uint64, ok bool)) (*Vars, error) {
	f, err := OpenELF(r)
	if err != nil {
		return nil, fmt.Errorf("goruntime: %w: %w", ErrNotGo, err)
	}
	v, c := &Vars{From: FromSymbols}, &code{file: f, fn: fn}
	v.fromSymbols(f)
	if !v.found() {
		*v = Vars{From: FromCode}
		v.fromCode(c, l)
	}
	v.SweepGen = c.sweepGen()
	v.functions(fn)
	if v.Goexit == 0 {
		return nil, notFound("runtime.goexit", l)
	}
	for _, x := range v.variables() {
		if !writable(f, *x.addr) {
			*x.addr = 0
		}
		if x.need && *x.addr == 0 {
			return nil, notFound(x.name, l)
		}
	}
	return v, nil
}

func notFound(name string, l *Layout) error {
	return fmt.Errorf("goruntime: %s of %s on %s could not be found (%w): build the target without -ldflags=-s, or use a newer mayfly",
		name, l.Version, l.Arch, errors.ErrUnsupported)
}

func (v *Vars) found() bool {
	for _, x := range v.variables() {
		if x.need && *x.addr == 0 {
			return false
		}
	}
	return true
}

// fromSymbols takes what the symbol table has. A file without one leaves v as it is.
func (v *Vars) fromSymbols(f *elf.File) {
	symbols, err := symbols(f)
	if err != nil {
		return
	}
	want := make(map[string]*uint64)
	for _, x := range v.variables() {
		want[x.name] = x.addr
	}
	want["runtime.waitReasonStrings"] = &v.WaitReasons
	for _, s := range symbols {
		addr := want[s.Name]
		if addr == nil || elf.ST_TYPE(s.Info) != elf.STT_OBJECT || s.Section == elf.SHN_UNDEF {
			continue
		}
		*addr = s.Value
		if addr == &v.WaitReasons {
			v.NWaitReasons = int(min(s.Size/stringSize, 256))
		}
	}
}

// functions finds the code that means something on a stack.
func (v *Vars) functions(fn func(string) (lo, hi uint64, ok bool)) {
	v.Goexit, _, _ = fn("runtime.goexit")
	v.Main, _, _ = fn("runtime.main")
	v.AsyncPreempt.Lo, v.AsyncPreempt.Hi, _ = fn("runtime.asyncPreempt")
	v.CgoCallback.Lo, v.CgoCallback.Hi, _ = fn("runtime.cgocallback")
}

// schedUsers are functions that lock sched.lock, which is what most of them take an address of.
var schedUsers = []string{
	"runtime.schedtrace", "runtime.goschedImpl", "runtime.mcommoninit", "runtime.stopTheWorldWithSema",
	"runtime.startTheWorldWithSema", "runtime.gcstopm", "runtime.stopm", "runtime.handoffp",
}

// fromCode applies the rules.
func (v *Vars) fromCode(c *code, l *Layout) {
	// forEachGRace begins with atomicAllG: the length, then the array (runtime/proc.go).
	if loads := only(c.refs("runtime.forEachGRace"), load); len(loads) >= 2 {
		v.Allglen, v.Allgptr = loads[0].addr, loads[1].addr
	}
	v.Allp = slicePair(c.refs("runtime.retake"))
	lock := c.common(schedUsers)
	if l.Sched.Lock != None && lock > uint64(l.Sched.Lock) {
		v.Sched = lock - uint64(l.Sched.Lock)
	}
	if l.Sched.Lock == None {
		v.Sched = c.before(lock, c.refs("runtime.newproc1"))
	}
	v.GCPhase = c.gcPhase()
	v.WaitReasons, v.NWaitReasons = c.waitReasons()
}
