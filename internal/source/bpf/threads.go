package bpf

import "time"

// Threads that run for some microseconds at a time, most of it in the kernel's scheduler with interrupts
// off, get fewer samples than they use CPU time, and the others get more: of a program with one goroutine
// that burns for 20 ms and one for 8 ms, and some that only wake, the first two had 96 % of the samples and 89 %
// of the time. So each thread's samples share that thread's own time, where the scheduler's view has it.

// ExecTime is for how long the threads that had an entry of the scheduler's view, one after the other, have
// had CPUs, ns; TID is the last of them, and Before what the ones before it had.
type ExecTime struct {
	Slot       int // the entry: small numbers
	TID        uint32
	NS, Before int64
}

// accounts are the times of threads that no sample has stood for so far.
type accounts struct {
	last     map[int]ExecTime // by slot
	pending  map[uint32]int64
	execTime int64 // of all threads in last
	count    map[uint32]int64
}

// read takes up what the threads have had since the last call. Of an entry that changed hands the one that had it
// last then is charged what the others had meanwhile.
func (a *accounts) read(now []ExecTime) {
	if a.pending == nil {
		a.last, a.pending, a.count = make(map[int]ExecTime), make(map[uint32]int64), make(map[uint32]int64)
	}
	for _, h := range now {
		l := a.last[h.Slot]
		if l.TID != 0 && l.TID != h.TID && h.Before > l.NS {
			a.charge(l.TID, h.Before-l.NS)
			l.NS = h.Before
		}
		if h.NS > l.NS {
			a.charge(h.TID, h.NS-l.NS)
			l.NS = h.NS
		}
		l.TID = h.TID
		a.last[h.Slot] = l
	}
}

func (a *accounts) charge(tid uint32, ns int64) {
	a.pending[tid] += ns
	a.execTime += ns
}

// share sets what each sample stands for, by its thread, of cpu ns that all threads used. It returns what
// is left for threads without a sample, and false if there are threads that it does not know.
func (a *accounts) share(weights []int64, tids []uint32, cpu int64) (left int64, ok bool) {
	var all int64
	for _, ns := range a.pending {
		all += ns
	}
	clear(a.count)
	for _, tid := range tids {
		if a.pending[tid] <= 0 {
			return 0, false
		}
		a.count[tid]++
	}
	scale := float64(cpu) / float64(max(all, 1))
	if scale < 0.5 || scale > 1.1 { // half of it stolen, or threads that are missing
		return 0, false
	}
	left = cpu
	for i, tid := range tids {
		weights[i] = int64(float64(a.pending[tid]) * scale / float64(a.count[tid]))
		left -= weights[i]
	}
	for tid := range a.count {
		delete(a.pending, tid)
	}
	return max(left, 0), true
}

// settle forgets what is pending: samples were given all there is.
func (a *accounts) settle() { clear(a.pending) }

// steal is the time for which threads had CPUs, by the scheduler, and did not use them, by the
// process's clock.
type steal struct {
	execTime int64 // for how long they had CPUs at the last call, ns
	pending  int64 // stolen time that no sample has stood for so far, ns
}

// skew bounds what one call may leave to the next: the scheduler's sums and the clock are not read at the same moment. Beyond
// that, threads were missing from the sums, and that is nobody's to make up for.
const skew = int64(time.Millisecond)

// take returns the time stolen that was not taken yet. used is the process's CPU time since the last
// call; without samples nothing is taken.
func (t *steal) take(execTime, used int64, samples int) (stolen int64) {
	t.pending = max(t.pending+execTime-t.execTime-used, -skew)
	t.execTime = execTime
	if samples == 0 || t.pending <= 0 {
		return 0
	}
	stolen, t.pending = t.pending, 0
	return stolen
}
