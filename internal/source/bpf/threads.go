package bpf

import "time"

// Threads that run for some microseconds at a time, most of it in the kernel's scheduler with interrupts
// off, get fewer samples than they use CPU time, and the others get more: of a program with one goroutine
// that burns for 20 ms and one for 8 ms, and some that only wake, the first two had 96 % of the samples and 89 %
// of the time. So each thread's samples share that thread's own time, where the scheduler's view has it.

// Held is for how long the threads that had an entry of the scheduler's view, one after the other, have
// had CPUs, ns; TID is the last of them, and Before what the ones before it had.
type Held struct {
	Slot       int // the entry: small numbers
	TID        uint32
	NS, Before int64
}

// accounts are the times of threads that no sample has stood for so far.
type accounts struct {
	last  []Held // by slot
	owed  map[uint32]int64
	held  int64 // of all threads in last
	count map[uint32]int64
}

// read takes up what the threads have had since the last call. Of an entry that changed hands the one that had it
// last then is owed what the others had meanwhile.
func (a *accounts) read(now []Held) {
	if a.owed == nil {
		a.owed, a.count = make(map[uint32]int64), make(map[uint32]int64)
	}
	for _, h := range now {
		for len(a.last) <= h.Slot {
			a.last = append(a.last, Held{})
		}
		l := &a.last[h.Slot]
		if l.TID != 0 && l.TID != h.TID && h.Before > l.NS {
			a.owe(l.TID, h.Before-l.NS)
			l.NS = h.Before
		}
		if h.NS > l.NS {
			a.owe(h.TID, h.NS-l.NS)
			l.NS = h.NS
		}
		l.TID = h.TID
	}
}

func (a *accounts) owe(tid uint32, ns int64) {
	a.owed[tid] += ns
	a.held += ns
}

// share sets what each sample stands for, by its thread, of cpu ns that all threads used. It returns what
// is left for threads without a sample, and false if there are threads that it does not know.
func (a *accounts) share(weights []int64, tids []uint32, cpu int64) (left int64, ok bool) {
	var all int64
	for _, ns := range a.owed {
		all += ns
	}
	clear(a.count)
	for _, tid := range tids {
		if a.owed[tid] <= 0 {
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
		weights[i] = int64(float64(a.owed[tid]) * scale / float64(a.count[tid]))
		left -= weights[i]
	}
	for tid := range a.count {
		delete(a.owed, tid)
	}
	return max(left, 0), true
}

// settle forgets what is owed: samples were given all there is.
func (a *accounts) settle() { clear(a.owed) }

// theft is the time for which threads had CPUs, by the scheduler, and did not use them, by the
// process's clock.
type theft struct {
	held int64 // for how long they had CPUs at the last call, ns
	owed int64 // stolen time that no sample has stood for so far, ns
}

// skew bounds what one call may owe the next: the scheduler's sums and the clock are not read at the same moment. Beyond
// that, threads were missing from the sums, and that is nobody's to make up for.
const skew = int64(time.Millisecond)

// take returns the time stolen that was not taken yet. used is the process's CPU time since the last
// call; without samples nothing is taken.
func (t *theft) take(held, used int64, samples int) (stolen int64) {
	t.owed = max(t.owed+held-t.held-used, -skew)
	t.held = held
	if samples == 0 || t.owed <= 0 {
		return 0
	}
	stolen, t.owed = t.owed, 0
	return stolen
}
