package goroutine

import (
	"encoding/binary"
	"time"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// stateReader says in which state a goroutine is: by its g, and by its thread if it has one.
type stateReader struct {
	mem     *memory
	names   *[states]sample.State
	threads Threads
	procid  map[uint64]thread // by m
}

func newStateReader(m *memory, threads Threads) *stateReader {
	return &stateReader{mem: m, names: newStates(m.reasons()), threads: threads, procid: make(map[uint64]thread)}
}

// name is the state of a job as a word.
func (s *stateReader) name(j *job) sample.State { return s.names[j.seen.state] }

// enter enters the state of a live goroutine, the thread that it has, 0 without one, and what that
// is blocked in. A goroutine that waits and has a thread only says it waits: it runs on the system
// stack, for the collector or to stop the world (runtime/proc.go, casGToWaitingForSuspendG). same
// says that the goroutine has not run since it was read before.
func (s *stateReader) enter(seen *interval, g []byte, status uint32, same bool) {
	f := &s.mem.f
	seen.tid, seen.call = s.tid(word(g, f.m)), ""
	known := false
	if seen.tid != 0 && s.threads != nil {
		known = s.ofThread(seen, status, same)
	}
	switch {
	case status == grunnable || status == gpreempted:
		seen.state, seen.tid, seen.call = runnable0, 0, ""
	case status == gleaked:
		seen.state, seen.tid, seen.call = leaked0, 0, ""
	case status == gwaiting:
		if !known || seen.state == syscall0 || seen.state == stopped0 {
			seen.state, seen.tid, seen.call = state(g[f.reason]), 0, ""
		}
	case known:
	case status == gsyscall:
		seen.state = syscall0
	default:
		seen.state, seen.call = running0, ""
	}
}

// ofThread enters what the goroutine's thread does, if that is known.
func (s *stateReader) ofThread(seen *interval, status uint32, same bool) (known bool) {
	var name sample.State
	if same {
		name, seen.call, known = s.threads.State(seen.tid)
	} else {
		c := s.mem.clock
		name, seen.call, known = s.threads.At(seen.tid, Scan{c.began, c.from, c.now(), status == gsyscall})
	}
	if known {
		seen.state = ofThread(name)
	}
	return known
}

// dependsOnThread says that the state depends on a thread, which is to be asked at every tick.
func (s *stateReader) dependsOnThread(j *job) bool {
	return s.threads != nil && word(j.g, s.mem.f.m) != 0
}

// thread is what was read in an m.
type thread struct {
	tid uint32
	at  int64
}

const (
	threadLife = int64(100 * time.Millisecond) // for which an m is believed to keep its thread
	maxThreads = 1 << 14
)

// tid is the thread id in an m.
func (s *stateReader) tid(m uint64) uint32 {
	if m < 4096 || m > 1<<62 {
		return 0
	}
	now := s.mem.read
	th, ok := s.procid[m]
	if ok && now-th.at < threadLife {
		return th.tid
	}
	var b [8]byte
	if n, _ := s.mem.ReadAt(b[:], int64(m)+int64(s.mem.f.procid)); n == len(b) {
		th.tid = binary.LittleEndian.Uint32(b[:])
	}
	th.at = now
	if len(s.procid) >= maxThreads {
		clear(s.procid)
	}
	s.procid[m] = th
	return th.tid
}
