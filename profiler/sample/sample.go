// Package sample is the vocabulary of mayfly: what a source says about a goroutine at one
// moment. It imports nothing of the project, so that every source and every consumer can share
// it without knowing each other.
package sample

import "context"

// State is what a goroutine was doing at a sample, spelled the way the runtime spells it: one of
// the constants below, or the wait reason that the target's own runtime prints in goroutine
// dumps ("IO wait", "chan receive", "sync.Mutex.Lock", ...; runtime/runtime2.go,
// waitReasonStrings).
type State string

const (
	Running   State = "running"   // on a CPU, in user or kernel mode
	Preempted State = "preempted" // its thread wants a CPU and the OS gives it none
	Throttled State = "throttled" // the same, because the cgroup's CPU quota is used up
	Runnable  State = "runnable"  // waits for a P: the Go run queue
	Syscall   State = "syscall"   // blocked in a system call
	Leaked    State = "leaked"    // waits for ever: the runtime's leak detector found nothing that could wake it
	Stopped   State = "stopped"   // its thread is: SIGSTOP or Ctrl-Z, a tracer, the cgroup's freezer
	Unknown   State = "unknown"   // could not be read; printed, never hidden
)

// Label is one pprof label (runtime/pprof.Labels) of a goroutine.
type Label struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Loss says why a sample's weight stands for something that was not seen.
type Loss uint8

const (
	Whole     Loss = iota // nothing is missing
	Lost                  // samples that were taken but never delivered: only Weight and Count are valid
	Truncated             // the user stack is deeper than the source could read: its root is missing
	Unwalked              // no user stack could be walked at all
	InKernel              // CPU time in the kernel, where the source may not look: only Weight is valid
)

// Sample is one observation of one goroutine, or of a thread that runs none (Goid 0).
//
// The slices belong to the source and are valid only until the emit call returns.
type Sample struct {
	// Time is the end of the interval that the sample stands for, CLOCK_MONOTONIC in ns.
	Time int64
	// Weight is the length of that interval in ns, measured and not count times period.
	Weight int64
	// Count is the number of profiler events behind the sample: 1 for an on-CPU event, 0 for an
	// observation of a goroutine that is not on a CPU, n for n Lost events.
	Count int64

	// Stolen is for how long its thread had the CPU besides and could not use it, ns: a hypervisor ran something
	// else, or interrupts did whose time the kernel does not charge. 0 when unknown.
	Stolen int64

	// Event is what the sample was taken at where that is not time on a CPU: an event that the kernel or the CPU counts, by perf's name,
	// such as "page-faults". Events is how many of them it stands for, and Weight and Count are 0.
	Event  string
	Events int64

	PID, TID uint32 // in the PID namespace that the source reads /proc in; 0 when unknown
	Goid     uint64 // 0 when the thread ran no goroutine or the runtime's layout is unknown
	Parent   uint64 // id of the goroutine that started it; 0 when the source does not know
	Created  uint64 // the return address of the go statement that started it; 0 when the source does not know
	State    State
	Loss     Loss

	// User is the user stack, leaf first. User[0] is the program counter at the interruption,
	// the rest are return addresses.
	User []uint64
	// Curg is the saved stack (g.sched) of the goroutine on whose behalf the thread runs on its
	// system stack or in C code, leaf first, return addresses only. Which part of User to keep in
	// front of it depends on the functions in User: who makes the profile decides.
	Curg []uint64
	// Kernel is the kernel stack, leaf first, return addresses except for the first.
	Kernel []uint64

	// Leaf is what repairs the caller of User[0], which a frame-pointer walk misses while the
	// leaf has not set up its own frame.
	Leaf Leaf
	// CurgLeaf does the same for Curg[0].
	CurgLeaf Leaf

	// Rest continues User, or Curg, where frame pointers do not: the goroutine's stack itself.
	Rest Rest
	// Top is the end of the goroutine's stack, up to its root, when the chain did not get there.
	Top Words

	// Peer is who a goroutine in "IO wait" waits for: "10.0.0.7:5432", "client 10.0.0.9",
	// "accept 0.0.0.0:8080", "unix:/run/x.sock", "pipe"; "" when it does not, or that is not known.
	Peer string
	// Call is the system call that a goroutine in Syscall is blocked in, such as "fsync"; "" when it
	// is not, or that is not known.
	Call string

	// WaitOn is what a goroutine that waits for channels, locks or conditions waits for, as FormatObjects has it:
	// "chan 0xc00009a060 cap=2 len=2 send", "mutex 0xc000012340"; "" when it does not, or that is not known.
	WaitOn string

	// Labels are the pprof labels of the goroutine, in the order of the target's label set.
	Labels []Label
	// Idle says that the goroutine has neither run nor changed since the recording began.
	Idle bool
	// LabelsTruncated says that Labels is only a part of the set.
	LabelsTruncated bool
	// LabelsLost says that the goroutine's labels, or whether it had any, could not be read; Labels is empty. It says
	// nothing where the stack is that of a thread that works for no goroutine.
	LabelsLost bool
}

// Leaf holds the registers and stack words at the innermost frame of a stack.
type Leaf struct {
	SP, BP uint64
	LR     uint64 // the link register on arm64, else 0
	Words  [2]uint64
	Valid  bool // Words could be read
}

// ThreadTimes is how long a thread has been in each of the OS scheduler's states, in ns. Only
// differences of two readings mean something, if both have the same Born: ids are used again. Now is the
// state that it is in, Running, Preempted, Throttled, Syscall (it sleeps), Stopped or Unknown, and Since when
// that began, CLOCK_MONOTONIC in ns.
type ThreadTimes struct {
	Born  int64 // when it was seen first, CLOCK_MONOTONIC in ns
	Now   State
	Since int64

	Running   int64 // on a CPU
	Preempted int64 // wanted a CPU
	Throttled int64 // wanted a CPU while the cgroup's quota was used up
	Sleeping  int64 // in the kernel: a blocking system call, a futex, a page fault
	Stopped   int64 // by a signal, a tracer or the freezer

	// Call is the system call that it slept in last, such as "fsync"; "" when it never slept in one
	// or last slept elsewhere, as in a page fault.
	Call string
}

// Threads tells the times of a process's threads by their ids, false for a thread that is not
// known. It is cheap enough to be asked for every thread at every tick.
type Threads interface {
	Times(tid uint32) (ThreadTimes, bool)
}

// Words are consecutive words of a stack, from the address At on.
type Words struct {
	At    uint64
	Words []uint64
}

// Word returns the word at an address; ok is false if it is not among them.
func (w *Words) Word(addr uint64) (v uint64, ok bool) {
	i := (addr - w.At) / 8
	if addr < w.At || addr%8 != 0 || i >= uint64(len(w.Words)) {
		return 0, false
	}
	return w.Words[i], true
}

// Rest is the stack of a goroutine from where the frame pointers of a chain (User, or Curg) are none: assembly uses
// the register for data, and what it calls or returns to saves that.
type Rest struct {
	Words          // from the stack pointer of the frame that is to be left; none: the chain is whole
	OfCurg  bool   // it continues Curg, not User
	From    int    // the chain's words before it, 1 at least
	Resumed uint64 // the address of a frame at which the chain's other words seem to go on; 0: there are none

	// Interrupted says that the last of the chain's words before it is no return address, but where a signal interrupted the
	// goroutine, with BP and LR in the registers.
	Interrupted bool
	BP, LR      uint64
}

// Source observes a target and emits samples until ctx ends or the target is gone. It returns nil
// in both cases. emit is called from one goroutine at a time and must not keep the sample.
type Source interface {
	Run(ctx context.Context, emit func(*Sample)) error
}
