// Package goruntime knows how the Go runtime lays out its memory: where in a g is the goroutine's
// id, where its labels, where a thread keeps its g.
//
// None of this is promised by the runtime, and every minor release may move it. There are two
// sources of truth: the DWARF of the very executable, and a table that was made from the DWARF of
// the last patch release of each minor version (zlayout.go). Executables without DWARF are common
// in production and their layout does not differ from that of their unstripped twins, so the
// version in the build information, which stripping leaves alone, finds the row of the table.
// An executable of an unknown version without DWARF is refused: a wrong offset reads as a
// plausible number.
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
	From    string // FromDWARF or FromTable

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

// Fields holds offsets of fields in bytes from the start of their struct. An atomic counts as its
// value, a Size is the struct's own. A field that does not exist is None.
type Fields struct {
	G        GFields        `dwarf:"runtime.g"`
	M        MFields        `dwarf:"runtime.m"`
	P        PFields        `dwarf:"runtime.p"`
	Sched    SchedFields    `dwarf:"runtime.schedt"`
	PollDesc PollDescFields `dwarf:"runtime.pollDesc"`
	FD       FDFields       `dwarf:"internal/poll.FD"`
	Sudog    SudogFields    `dwarf:"runtime.sudog"`
	Module   ModuleFields   `dwarf:"runtime.moduledata"`
	TimeHist TimeHistFields `dwarf:"runtime.timeHistogram"`
}

// GFields are offsets in runtime.g, a goroutine (runtime/runtime2.go).
type GFields struct {
	StackLo       int32 `dwarf:"stack.lo" need:"core"`
	StackHi       int32 `dwarf:"stack.hi" need:"core"`
	StackGuard0   int32 `dwarf:"stackguard0"`
	M             int32 `dwarf:"m" need:"core"`
	SchedSP       int32 `dwarf:"sched.sp" need:"core"`
	SchedPC       int32 `dwarf:"sched.pc" need:"core"`
	SchedBP       int32 `dwarf:"sched.bp" need:"core"`
	SyscallSP     int32 `dwarf:"syscallsp"`
	SyscallPC     int32 `dwarf:"syscallpc"`
	SyscallBP     int32 `dwarf:"syscallbp"` // Go 1.23
	Param         int32 `dwarf:"param"`
	Status        int32 `dwarf:"atomicstatus" need:"core"`
	Goid          int32 `dwarf:"goid" need:"core"`
	SchedLink     int32 `dwarf:"schedlink"`
	WaitSince     int32 `dwarf:"waitsince"`
	WaitReason    int32 `dwarf:"waitreason"`
	InMarkAssist  int32 `dwarf:"inMarkAssist"` // Go 1.22
	Tracking      int32 `dwarf:"tracking"`
	TrackingSeq   int32 `dwarf:"trackingSeq"`
	TrackingStamp int32 `dwarf:"trackingStamp"` // Go 1.20
	RunnableTime  int32 `dwarf:"runnableTime"`
	LockedM       int32 `dwarf:"lockedm"`
	ParentGoid    int32 `dwarf:"parentGoid"` // Go 1.21
	GoPC          int32 `dwarf:"gopc"`
	StartPC       int32 `dwarf:"startpc"`
	Waiting       int32 `dwarf:"waiting"`
	Labels        int32 `dwarf:"labels"`
	SleepWhen     int32 `dwarf:"sleepWhen"` // Go 1.23
	GCAssistBytes int32 `dwarf:"gcAssistBytes"`
	Size          int32 `dwarf:"SIZE" need:"core"`
}

// MFields are offsets in runtime.m, a thread.
type MFields struct {
	G0       int32 `dwarf:"g0" need:"core"`
	Procid   int32 `dwarf:"procid" need:"core"` // the thread id
	GSignal  int32 `dwarf:"gsignal"`
	Curg     int32 `dwarf:"curg" need:"core"`
	P        int32 `dwarf:"p"`
	ID       int32 `dwarf:"id"`
	Spinning int32 `dwarf:"spinning"`
	Blocked  int32 `dwarf:"blocked"`
	InCgo    int32 `dwarf:"incgo"`
	NCgo     int32 `dwarf:"ncgo"`
	AllLink  int32 `dwarf:"alllink"`
	Size     int32 `dwarf:"SIZE"`
}

// PFields are offsets in runtime.p, a right to run Go code.
type PFields struct {
	ID           int32 `dwarf:"id"`
	Status       int32 `dwarf:"status"`
	SchedTick    int32 `dwarf:"schedtick"`
	SyscallTick  int32 `dwarf:"syscalltick"`
	M            int32 `dwarf:"m"`
	GoidCache    int32 `dwarf:"goidcache"`
	GoidCacheEnd int32 `dwarf:"goidcacheend"`
	RunqHead     int32 `dwarf:"runqhead"`
	RunqTail     int32 `dwarf:"runqtail"`
	Runq         int32 `dwarf:"runq"`
	RunNext      int32 `dwarf:"runnext"`
	GCAssistTime int32 `dwarf:"gcAssistTime"`
	Size         int32 `dwarf:"SIZE"`
}

// SchedFields are offsets in runtime.schedt, the type of runtime.sched.
type SchedFields struct {
	GoidGen              int32 `dwarf:"goidgen"`
	Lock                 int32 `dwarf:"lock"`
	RunqHead             int32 `dwarf:"runq.head"`
	RunqTail             int32 `dwarf:"runq.tail"`
	RunqSize             int32 `dwarf:"runq.size,runqsize"` // in runq since Go 1.25
	NPIdle               int32 `dwarf:"npidle"`
	GCWaiting            int32 `dwarf:"gcwaiting"`
	StopWait             int32 `dwarf:"stopwait"`
	TimeToRun            int32 `dwarf:"timeToRun"`
	IdleTime             int32 `dwarf:"idleTime"`           // Go 1.20
	TotalMutexWaitTime   int32 `dwarf:"totalMutexWaitTime"` // Go 1.20
	STWStoppingTimeGC    int32 `dwarf:"stwStoppingTimeGC"`  // Go 1.22, like the next three
	STWStoppingTimeOther int32 `dwarf:"stwStoppingTimeOther"`
	STWTotalTimeGC       int32 `dwarf:"stwTotalTimeGC"`
	STWTotalTimeOther    int32 `dwarf:"stwTotalTimeOther"`
	GoroutinesCreated    int32 `dwarf:"goroutinesCreated"` // Go 1.26
	Size                 int32 `dwarf:"SIZE"`
}

// PollDescFields are offsets in runtime.pollDesc, the network poller's view of a file.
type PollDescFields struct {
	Link int32 `dwarf:"link"`
	FD   int32 `dwarf:"fd"`
	RG   int32 `dwarf:"rg"`
	WG   int32 `dwarf:"wg"`
	RD   int32 `dwarf:"rd"`
	WD   int32 `dwarf:"wd"`
	Size int32 `dwarf:"SIZE"`
}

// FDFields are offsets in internal/poll.FD, the file that a pollDesc belongs to.
type FDFields struct {
	Sysfd    int32 `dwarf:"Sysfd"`
	PollDesc int32 `dwarf:"pd"`
}

// SudogFields are offsets in runtime.sudog, a goroutine in a queue of waiters.
type SudogFields struct {
	G           int32 `dwarf:"g"`
	Elem        int32 `dwarf:"elem"`
	C           int32 `dwarf:"c"`
	WaitLink    int32 `dwarf:"waitlink"`
	AcquireTime int32 `dwarf:"acquiretime"`
}

// ModuleFields are offsets in runtime.moduledata (runtime/symtab.go).
type ModuleFields struct {
	PCHeader  int32 `dwarf:"pcHeader"`
	Text      int32 `dwarf:"text"`
	EText     int32 `dwarf:"etext"`
	NoPtrData int32 `dwarf:"noptrdata"`
	Data      int32 `dwarf:"data"`
	BSS       int32 `dwarf:"bss"`
	EBSS      int32 `dwarf:"ebss"`
	NoPtrBSS  int32 `dwarf:"noptrbss"`
	ENoPtrBSS int32 `dwarf:"enoptrbss"`
	GoFunc    int32 `dwarf:"gofunc"`
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
		return "goruntime: the program does not say which Go release built it, as obfuscated ones (garble) do not: its runtime's layout is not known"
	}
	return fmt.Sprintf("goruntime: layout of %s on %s is not known: %v: build the target without -ldflags=-w, or use a newer mayfly",
		e.Version, e.Arch, e.Err)
}

// Unwrap makes the error match errors.ErrUnsupported and the reason.
func (e *UnknownVersionError) Unwrap() []error { return []error{errors.ErrUnsupported, e.Err} }

// Read finds the layout of the Go executable in r, an ELF file. It needs neither symbols nor
// DWARF for the releases that the table knows. The error wraps ErrNotGo, or is an
// *UnknownVersionError.
func Read(r io.ReaderAt) (*Layout, error) {
	f, l, err := open(r)
	if err != nil {
		return nil, err
	}
	if err := l.readFields(f); err != nil {
		return nil, &UnknownVersionError{l.Version, l.Arch, err}
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
// where there is none, or for types that DWARF lacks because the linker found them unused.
func (l *Layout) readFields(f *elf.File) error {
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
	default:
		return err
	}
	return nil
}

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
