// Package goruntime knows how the Go runtime lays out its memory: where in a g is the goroutine's
// id, where its labels, where a thread keeps its g.
//
// None of this is promised by the runtime, and every minor release may move it. There are three
// sources of truth: the DWARF of the very executable, and a table that was made from the DWARF of
// the last patch release of each minor version (zlayout.go). Executables without DWARF are common
// in production and their layout does not differ from that of their unstripped twins, so the
// version in the build information, which stripping leaves alone, finds the row of the table.
// In an executable of an unknown version without DWARF the code of the runtime is asked (derive.go),
// and what it does not say is denied: a wrong offset reads as a plausible number.
package goruntime

import (
	"debug/elf"
	"errors"
	"fmt"
	"io"
)

//go:generate go run ./gen -o zlayout.go

// None is the offset of a field that the version of the runtime at hand does not have.
const None = -1

// From values: where the offsets of a Layout come from.
const (
	FromDWARF = "dwarf" // the executable's own debugging information
	FromTable = "table" // zlayout.go, by the minor version
	// or FromCode
)

// LabelKind is how a goroutine's pprof labels are laid out.
type LabelKind uint8

const (
	LabelsNone  LabelKind = iota // g has no labels field
	LabelsSlice                  // Go >= 1.24: g.labels -> {ptr, len, cap} of {key, value string}
	LabelsMap                    // Go <= 1.23: g.labels -> *hmap of a map[string]string
)

// Layout is what is known about the runtime in one executable.
type Layout struct {
	Version string // as the build information has it: "go1.26.8", "go1.27-devel_5d1e3a2-X:foo"
	Minor   int    // 26
	Arch    string // GOARCH: "amd64" or "arm64"
	From    string // FromDWARF, FromTable or FromCode

	// Denied names the fields of a release that the table does not know that were not found either,
	// such as "g.labels".
	Denied []string

	// Doubt says in words why offsets from the table may be wrong for this build, "" when there is
	// no reason to think so.
	Doubt string

	// TLS is where a thread keeps its g: 8 bytes at the thread pointer (fsbase on amd64, TPIDR_EL0
	// on arm64) plus TLS. It means nothing when TLSFrom is TLSUnknown.
	TLS     int64
	TLSFrom TLSSource

	Labels LabelKind
	Fields
}

// Fields holds offsets of the fields that are read, in bytes from the start of their struct. An atomic counts as its
// value, a Size is the struct's own. A field that does not exist is None.
type Fields struct {
	G        GFields        `dwarf:"runtime.g"`
	M        MFields        `dwarf:"runtime.m"`
	P        PFields        `dwarf:"runtime.p"`
	Sched    SchedFields    `dwarf:"runtime.schedt"`
	Sudog    SudogFields    `dwarf:"runtime.sudog"`
	Hchan    HchanFields    `dwarf:"runtime.hchan"`
	Timer    TimerFields    `dwarf:"runtime.timer"`
	PollDesc PollDescFields `dwarf:"runtime.pollDesc"`
	FD       FDFields       `dwarf:"internal/poll.FD"`
	TimeHist TimeHistFields `dwarf:"runtime.timeHistogram"`
}

// GFields are offsets in runtime.g, a goroutine (runtime/runtime2.go).
type GFields struct {
	StackLo     int32 `dwarf:"stack.lo" need:"core"`
	StackHi     int32 `dwarf:"stack.hi" need:"core"`
	M           int32 `dwarf:"m" need:"core"`
	SchedSP     int32 `dwarf:"sched.sp" need:"core"`
	SchedPC     int32 `dwarf:"sched.pc" need:"core"`
	SchedBP     int32 `dwarf:"sched.bp" need:"core"`
	SyscallSP   int32 `dwarf:"syscallsp"`
	SyscallPC   int32 `dwarf:"syscallpc"`
	SyscallBP   int32 `dwarf:"syscallbp"` // Go 1.23
	Status      int32 `dwarf:"atomicstatus" need:"core"`
	Goid        int32 `dwarf:"goid" need:"core"`
	WaitSince   int32 `dwarf:"waitsince"`
	WaitReason  int32 `dwarf:"waitreason"`
	TrackingSeq int32 `dwarf:"trackingSeq"`
	ParentGoid  int32 `dwarf:"parentGoid"` // Go 1.21
	GoPC        int32 `dwarf:"gopc"`
	StartPC     int32 `dwarf:"startpc"`
	Waiting     int32 `dwarf:"waiting"` // the first sudog that it waits in; of semaphores since Go 1.26 only
	Labels      int32 `dwarf:"labels"`
	Size        int32 `dwarf:"SIZE" need:"core"`
}

// MFields are offsets in runtime.m, a thread.
type MFields struct {
	G0      int32 `dwarf:"g0" need:"core"`
	Procid  int32 `dwarf:"procid" need:"core"` // the thread id
	GSignal int32 `dwarf:"gsignal"`
	Curg    int32 `dwarf:"curg" need:"core"`
}

// PFields are offsets in runtime.p, a right to run Go code.
type PFields struct {
	GoidCache    int32 `dwarf:"goidcache"`
	GoidCacheEnd int32 `dwarf:"goidcacheend"`
}

// SchedFields are offsets in runtime.schedt, the type of runtime.sched.
type SchedFields struct {
	GoidGen           int32 `dwarf:"goidgen"`
	Lock              int32 `dwarf:"lock"`
	STWTotalTimeGC    int32 `dwarf:"stwTotalTimeGC"`
	STWTotalTimeOther int32 `dwarf:"stwTotalTimeOther"`
}

// SudogFields are offsets in runtime.sudog, a goroutine's place in the queue of a channel or a semaphore.
type SudogFields struct {
	G        int32 `dwarf:"g"`
	Elem     int32 `dwarf:"elem.vu,elem"` // the semaphore's address; of Go 1.26 and later, the word that is always up to date
	WaitLink int32 `dwarf:"waitlink"`     // of a select, the next case
	C        int32 `dwarf:"c.maybeTraceablePtr.vu,c"`
}

// HchanFields are offsets in runtime.hchan, a channel (runtime/chan.go).
type HchanFields struct {
	QCount   int32 `dwarf:"qcount"`
	DataQSiz int32 `dwarf:"dataqsiz"`
	ElemSize int32 `dwarf:"elemsize"`
	Closed   int32 `dwarf:"closed"`
	Timer    int32 `dwarf:"timer"` // Go 1.23
	ElemType int32 `dwarf:"elemtype"`
	RecvQ    int32 `dwarf:"recvq.first"`
	SendQ    int32 `dwarf:"sendq.first"`
}

// TimerFields are offsets in runtime.timer, which a channel leads to since Go 1.23 (runtime/time.go).
type TimerFields struct {
	When   int32 `dwarf:"when"`   // nanotime, which is CLOCK_MONOTONIC
	Period int32 `dwarf:"period"` // ns, 0 unless it is a ticker's
}

// PollDescFields are offsets in runtime.pollDesc, the network poller's view of a file.
type PollDescFields struct {
	FD int32 `dwarf:"fd"`
	RG int32 `dwarf:"rg"`
	WG int32 `dwarf:"wg"`
}

// FDFields are offsets in internal/poll.FD, the file that a pollDesc belongs to.
type FDFields struct {
	PollDesc int32 `dwarf:"pd"`
}

// TimeHistFields are offsets in runtime.timeHistogram (runtime/histogram.go).
type TimeHistFields struct {
	Counts int32 `dwarf:"counts"`
	Size   int32 `dwarf:"SIZE"`
}

// ErrNotGo says that a file is not a Go executable for Linux, or one of before Go 1.18.
var ErrNotGo = errors.New("not a Go executable")

// ErrPacked says that an executable was packed by UPX: it unpacks itself into memory, where no file says what
// is what.
var ErrPacked = fmt.Errorf("%w: packed by UPX (upx -d unpacks it)", ErrNotGo)

// UnknownVersionError says that a Go executable's runtime is of a version that the table does not
// know and that there is no DWARF to read either.
type UnknownVersionError struct {
	Version string // "go1.40.2"
	Arch    string // "amd64"
	Err     error  // why DWARF was of no use
}

func (e *UnknownVersionError) Error() string {
	if e.Version == "unknown" { // what garble writes
		return "goruntime: the program does not say which Go release built it, as obfuscated ones (garble) do not: its runtime's layout is not " +
			"known"
	}
	return fmt.Sprintf("goruntime: layout of %s on %s is not known: %v: build the target without -ldflags=-w, or use a newer mayfly",
		e.Version, e.Arch, e.Err)
}

// Unwrap makes the error match errors.ErrUnsupported and the reason.
func (e *UnknownVersionError) Unwrap() []error { return []error{errors.ErrUnsupported, e.Err} }

// Read finds the layout of the Go executable in r, an ELF file. It needs neither symbols nor
// DWARF for the releases that the table knows. The error wraps ErrNotGo, or is an
// *UnknownVersionError.
func Read(r io.ReaderAt) (*Layout, error) { return ReadCode(r, nil) }

// ReadCode is like Read, and knows releases that the table does not by the code of their runtime. fn
// is called only if it is needed; nil is no function at all.
func ReadCode(r io.ReaderAt, fn FindFunc) (*Layout, error) {
	f, l, err := open(r)
	if err != nil {
		return nil, err
	}
	if err := l.readFields(f, fn); err != nil {
		return nil, &UnknownVersionError{l.Version, l.Arch, err}
	}
	return l.finish(f), nil
}

// ReadTable is like Read, and takes the table's row of the minor release for all its patch releases: the sections of DWARF,
// which take 10 to 200 ms to read, are not looked at. It is for those who ask of many files what a release can do.
func ReadTable(r io.ReaderAt) (*Layout, error) {
	f, l, err := open(r)
	if err != nil {
		return nil, err
	}
	known, exact := l.Fields.fromTable(l.Version, l.Minor, l.Arch)
	if !known {
		return nil, &UnknownVersionError{l.Version, l.Arch, errors.New("the table has no such release")}
	}
	if l.From = FromTable; !exact {
		l.Doubt = doubt(l.Version)
	}
	return l.finish(f), nil
}

// open reads the version and the architecture. All fields are None.
func open(r io.ReaderAt) (*elf.File, *Layout, error) {
	f, err := OpenELF(r)
	if err != nil {
		return nil, nil, fmt.Errorf("goruntime: %w: %w", ErrNotGo, err)
	}
	bi, err := BuildInfo(r)
	if err != nil {
		return nil, nil, err
	}
	l := &Layout{Version: bi.GoVersion, Minor: minor(bi.GoVersion)}
	l.Fields.each(func(x field) { *x.offset = None })
	l.Arch, err = arch(f)
	if err != nil {
		return nil, nil, &UnknownVersionError{l.Version, f.Machine.String(), err}
	}
	return f, l, nil
}

func (l *Layout) finish(f *elf.File) *Layout {
	l.Labels = l.labelKind()
	l.TLS, l.TLSFrom = findTLS(f)
	return l
}

// ReadDWARF is like Read but looks into DWARF, and nowhere else, for all structs that the linker
// has not dropped, even for a release that the table knows.
func ReadDWARF(r io.ReaderAt) (*Layout, error) {
	f, l, err := open(r)
	if err != nil {
		return nil, err
	}
	if err := l.fromDWARF(f, infoMost); err != nil {
		return nil, &UnknownVersionError{l.Version, l.Arch, err}
	}
	l.From = FromDWARF
	return l.finish(f), nil
}

// readFields takes the table for the very releases that it was made from. Other patch releases,
// patched and experimental toolchains may differ: for them DWARF has the say, and the table only
// where there is none, or for types that DWARF lacks because the linker found them unused. Without
// DWARF the runtime's code has it, and the table where the code has nothing.
func (l *Layout) readFields(f *elf.File, fn FindFunc) error {
	known, exact := l.Fields.fromTable(l.Version, l.Minor, l.Arch)
	if exact {
		l.From = FromTable
		return nil
	}
	limit := infoMost
	if known {
		limit = infoKnown
	}
	err := l.fromDWARF(f, limit)
	switch {
	case err == nil:
		l.From = FromDWARF
	case known:
		l.From, l.Doubt = FromTable, doubt(l.Version)
		if fn != nil {
			return l.fromCode(f, fn, known)
		}
	case fn != nil:
		if err := l.fromCode(f, fn, known); err != nil {
			return err
		}
	default:
		return err
	}
	return nil
}

// CountsCalls says whether g.trackingSeq counts system calls, as it did until they ceased to change the
// status in the P (runtime/proc.go, entersyscall, exitsyscall: Go 1.26).
func (l *Layout) CountsCalls() bool { return l.Minor < 26 }

// WaitingLeadsToLocks says whether g.waiting is set by who waits for a semaphore or a sync.Cond, not for channels
// alone (runtime/sema.go: Go 1.26).
func (l *Layout) WaitingLeadsToLocks() bool { return l.Minor >= 26 }

func (l *Layout) labelKind() LabelKind {
	switch {
	case l.G.Labels == None:
		return LabelsNone
	case l.Minor <= 23:
		return LabelsMap
	default:
		return LabelsSlice
	}
}

func arch(f *elf.File) (string, error) {
	if f.Class == elf.ELFCLASS64 && f.Data == elf.ELFDATA2LSB {
		switch f.Machine {
		case elf.EM_X86_64:
			return "amd64", nil
		case elf.EM_AARCH64:
			return "arm64", nil
		}
	}
	return "", errors.New("only amd64 and arm64 are supported")
}
