//go:build amd64 || arm64

package bpf

import (
	"time"

	"github.com/mayfly-profiler/mayfly/internal/proc"
)

// The programs count threads that are awake from their first switch on. One that had a CPU when they were attached, and has it still, is
// none of them. So nobody is known to be asleep before each thread that there was at first was found asleep: twice, since one that is
// about to sleep looks as if it did, and may think better of it.

const (
	restEvery = time.Second
	restTwice = 2
	restMost  = 4096 // threads; of more it is never known
)

// rest finds out whether the programs know of all threads that are awake.
type rest struct {
	target *proc.Process
	next   int64       // when to read again, CLOCK_MONOTONIC in ns
	left   map[int]int // by thread, how often it is still to be found asleep; nil at first
	sure   bool

	tgid, slotless uint32 // what the programs said last
	activity       uint64
}

func (r *rest) known() bool {
	now := proc.Monotonic()
	if r.sure || now < r.next {
		return r.sure
	}
	r.next = now + int64(restEvery)
	if r.left == nil {
		tids, err := r.target.Threads(nil)
		if err != nil || len(tids) > restMost {
			return false
		}
		r.left = make(map[int]int, len(tids))
		for _, tid := range tids {
			r.left[tid] = restTwice
		}
	}
	for tid := range r.left {
		if r.target.Wants(tid) {
			continue
		}
		if r.left[tid]--; r.left[tid] == 0 {
			delete(r.left, tid)
		}
	}
	r.sure = len(r.left) == 0
	return r.sure
}

// Asleep says whether all threads of the target sleep, as far as that is known. since is then the same for as long as they do, and
// another number once one of them was awake. It is for one goroutine at a time, and makes system calls only until it is known.
// It is asked at each scan: it allocates nothing.
func (s *Sched) Asleep() (since uint64, ok bool) {
	r := &s.rest
	if r.tgid == 0 && (s.objects.TargetTgid.Get(&r.tgid) != nil || r.tgid == 0) || !r.known() {
		return 0, false
	}
	if s.objects.Activity.Get(&r.activity) != nil || r.activity&(1<<awakeBits-1) != 0 || s.objects.Slotless.Get(&r.slotless) != nil {
		return 0, false
	}
	return r.activity, r.slotless == 0
}

const awakeBits = 20 // AWAKE_BITS in sched.bpf.c
