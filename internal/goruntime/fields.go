package goruntime

// None is the offset of a field that the version of the runtime at hand does not have.
const None = -1

// LabelKind is how a goroutine's pprof labels are laid out.
type LabelKind uint8

const (
	LabelsNone  LabelKind = iota // g has no labels field
	LabelsSlice                  // Go >= 1.24: g.labels -> {ptr, len, cap} of {key, value string}
	LabelsMap                    // Go <= 1.23: g.labels -> *hmap of a map[string]string
)

// TLSSource says how Layout.TLS was found.
type TLSSource string

const (
	TLSUnknown TLSSource = ""       // not found: take g from the registers instead
	TLSOnly    TLSSource = "only"   // g is the only word of the block, or there is no header of one
	TLSSymbol  TLSSource = "symbol" // from the symbol of g's word
	TLSCode    TLSSource = "code"   // from the instructions that load g
	TLSMemory  TLSSource = "memory" // of a library, from the word of the process's memory that tells its code
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

// FindFunc finds the link-time range of a Go function by its name in pclntab, as symbolize.Binary.Func
// does.
type FindFunc func(name string) (lo, hi uint64, ok bool)
