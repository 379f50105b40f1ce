package timeline

// Kind is what time is spent on, or what a cause is.
type Kind uint8

// The kinds, in the order in which they are printed. Children is a state only: the time that a
// request waits for goroutines of its own, whose time is looked into instead.
const (
	CPU Kind = iota
	GC
	Lock
	Channel
	Pool  // for one of a limited number of connections
	Limit // for one of a limited number of places: a semaphore
	Network
	Syscall
	GoScheduler // runnable: waits for a P
	OSScheduler // preempted: its thread waits for a CPU that other processes have
	Quota       // throttled: the CPU time that its control group may use is used up
	Timer       // for time to pass: sleep, a rate limit, a back-off, a ticker
	Stopped     // the process is: a signal, a tracer, the freezer
	Children
	Unknown
)

var kindNames = [...]string{
	"cpu", "gc", "lock", "channel", "pool", "limit", "network", "syscall", "go-scheduler", "os-scheduler",
	"quota", "timer", "stopped", "children", "unknown",
}

// Kinds is how many kinds there are.
const Kinds = len(kindNames)

func (k Kind) String() string { return kindNames[k] }

// Denied says whether a thread wants a CPU and gets none.
func (k Kind) Denied() bool { return k == OSScheduler || k == Quota }

// Waits says whether it is something that is waited for, and not a CPU, or what takes it away.
func (k Kind) Waits() bool {
	return k != CPU && k != GC && k != GoScheduler && k != Stopped && !k.Denied()
}

// MarshalText makes a kind its name in JSON.
func (k Kind) MarshalText() ([]byte, error) { return []byte(kindNames[k]), nil }

// meanings say what the kinds are, to those who do not know the runtime's words.
var meanings = [...]string{
	CPU: "runs on a CPU", GC: "helps the garbage collector, or is held by it", Lock: "waits for a sync.Mutex or RWMutex",
	Channel: "waits on a channel or a sync.Cond", Pool: "waits until the pool has a free connection",
	Limit: "waits for a place of a semaphore", Network: "waits for an answer, or for a client", Syscall: "blocked in a system call",
	GoScheduler: "could run, but waits for its turn among the goroutines (no free P)",
	OSScheduler: "could run, but other processes have the CPU",
	Quota:       "could run, but the CPU quota of its control group is used up", Timer: "time.Sleep, or a timer",
	Stopped:  "the process is stopped: by a signal, a debugger, the freezer of its cgroup",
	Children: "waits in sync.WaitGroup for goroutines that it started", Unknown: "not known",
}

// Meaning says what a kind is, to those who do not know the runtime's words.
func (k Kind) Meaning() string { return meanings[k] }
