package goroutine

import "github.com/mayfly-profiler/mayfly/profiler/sample"

// state is a sample.State by number: a wait reason, or one of the constants.
type state uint16

const (
	running0 state = 256 + iota // above all wait reasons, which are bytes
	preempted0
	throttled0
	runnable0
	syscall0
	leaked0
	stopped0
	unknown0
	states
)

// newStates spells the states.
func newStates(reason func(uint8) string) *[states]sample.State {
	var names [states]sample.State
	for i := range 256 {
		names[i] = sample.State(reason(uint8(i)))
		switch names[i] {
		case "":
			names[i] = sample.Unknown
		case sample.Preempted:
			// The garbage collector holds a goroutine that wants to run. The runtime's word for it
			// means something else here.
			names[i] = sample.Runnable
		}
	}
	names[running0], names[preempted0], names[throttled0] = sample.Running, sample.Preempted, sample.Throttled
	names[runnable0], names[syscall0], names[leaked0], names[unknown0] = sample.Runnable, sample.Syscall, sample.Leaked, sample.Unknown
	names[stopped0] = sample.Stopped
	return &names
}

// ofThread turns what Threads says into a number.
func ofThread(s sample.State) state {
	switch s {
	case sample.Running:
		return running0
	case sample.Preempted:
		return preempted0
	case sample.Throttled:
		return throttled0
	case sample.Runnable:
		return runnable0
	case sample.Syscall:
		return syscall0
	case sample.Stopped:
		return stopped0
	}
	return unknown0
}
