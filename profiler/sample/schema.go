package sample

import "strings"

// What a Sample becomes in a profile (profile.proto): names of sample types, keys of labels and of comments. All that mayfly
// writes and reads again is spelled here and nowhere else; docs/format.md says the same in prose.

// The sample types, also called columns, in the order of the file. All but Samples are nanoseconds.
const (
	ColumnSamples  = "samples"  // count: events on a CPU
	ColumnCPU      = "cpu"      // on a CPU, in user or kernel mode
	ColumnRunnable = "runnable" // wanted to run: Runnable, Preempted, Throttled
	ColumnBlocked  = "blocked"  // waited: every other state
	ColumnWall     = "wall"     // the sum of cpu, runnable and blocked
)

// Keys of labels that are strings.
const (
	KeyState   = "go.state"   // a State
	KeySyscall = "go.syscall" // the system call that a goroutine in Syscall is blocked in
	KeyPeer    = "go.peer"    // who a goroutine in "IO wait" waits for
	KeyUnread  = "go.unread"  // what it read from sockets, see FormatArrivals
	KeyWaitOn  = "go.wait_on" // the channels, locks and conditions that it waits for, see FormatObjects

	// KeyCreatedBy is the go statement that started the goroutine: the function, the file without its folders, the line.
	KeyCreatedBy = "go.created_by"

	// KeyClass is what of the Go runtime a sample is, one of the classes below; the program's samples have none.
	KeyClass = "go.class"
)

// Values of KeyClass.
const (
	ClassGC        = "gc"        // the garbage collector, also where a goroutine of the program works for it
	ClassScheduler = "scheduler" // a thread that looks for a goroutine to run
	ClassRuntime   = "runtime"   // all else that the runtime does by itself: its monitor, the scavenger
)

// Keys of labels that are numbers.
const (
	KeyID     = "go.id"            // the goroutine's
	KeyParent = "go.parent"        // the id of the goroutine that started it
	KeyWoken  = "go.woken_by"      // the id of the goroutine that ended a wait, WokenByRuntime: none did
	KeyCall   = "go.call_ns"       // of an exact call: how long it took
	KeyEnd    = "end_timestamp_ns" // of an interval of a timeline: when it ended, Unix time; the name is profile.proto's
)

// WokenByRuntime is who ended a wait that no goroutine did: the network poller, a timer, the scheduler.
const WokenByRuntime = -1

// OtherValue stands for the values of a label that were not told apart.
const OtherValue = "(other)"

// OwnPrefix is how the keys of mayfly's labels begin, but for KeyEnd.
const OwnPrefix = "go."

// UserPrefix comes before a program's label whose key is one of mayfly's.
const UserPrefix = "user."

// CommentPrefix comes before the key of a comment, "mayfly.KEY=VALUE". Most keys are the JSON keys of summary.Summary.
const CommentPrefix = "mayfly."

// CommentMark comes before a comment that go tool pprof does not print above its tables, as it prints those that begin with
// anything else (ProfileLabels in pprof's internal/report); its -comments prints all. Readers use Comment.
const CommentMark = "#"

// Comment returns the key and the value of a comment of a profile, without its mark. Recordings of before have none.
func Comment(line string) (key, value string) {
	key, value, _ = strings.Cut(strings.TrimPrefix(line, CommentMark), "=")
	return key, value
}

// Keys of comments that are not in the summary, or that readers know.
const (
	CommentTableRate = "mayfly.table_rate_hz" // scans of the goroutine table per second
	CommentEpoch     = "mayfly.epoch_ns"      // what makes CLOCK_MONOTONIC the timeline's Unix time
	CommentProcs     = "mayfly.gomaxprocs"
	CommentCPUs      = "mayfly.cpus"
	CommentQuota     = "mayfly.cpu_quota"     // CPUs' time that its control groups allow the target, 0: no limit
	CommentAccepts   = "mayfly.accept_queues" // connections that waited to be accepted, as AcceptQueue writes them
	CommentDenied    = "mayfly.denied"        // what the host did not allow, in words
	CommentGoVersion = "mayfly.go_version"    // of the program
	CommentResource  = "mayfly.resource"      // what its environment says of its service, as OTEL_RESOURCE_ATTRIBUTES does
	CommentPID       = "mayfly.pid"           // that it had, in the namespace of who recorded it
	CommentHostname  = "mayfly.hostname"      // of the host that it was recorded on
	CommentBench     = "mayfly.bench"         // a line of a benchmark's results, as go test prints it
	CommentOps       = "mayfly.ops."          // and the name of an operation: how many of them the recording has
	CommentRunWall   = "mayfly.run.wall_ns"   // how long one run of the command took
	CommentRunCPU    = "mayfly.run.cpu_ns"    // and the CPU time that it used
	CommentKept      = "mayfly.requests_kept" // of a profile of some requests only: how many of how many
	CommentLifetimes = "mayfly.lifetimes"     // values of labels are in it,
	CommentTraps     = "mayfly.label_traps"   // and in this one
	CommentDiff      = "mayfly.diff"          // the outcome of the comparison that a profile is the difference of
)
