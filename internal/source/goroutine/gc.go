package goroutine

import (
	"math/bits"
	"time"
)

// The runtime itself counts how often and for how long it stopped the world, in two histograms in
// runtime.sched (since Go 1.22). Most stops are shorter than the time between two ticks, so counting
// by ticks would miss half of them; the histograms are exact in number. Marking lasts for
// milliseconds: at each tick runtime.gcphase says whether it goes on.

// GC says what the garbage collector and other stops of the world cost while recording.
type GC struct {
	Mark time.Duration // while a collection was marking
	// Stopped tells the collector's stops of the world, two a collection, and Others those for
	// goroutine profiles, runtime.GOMAXPROCS and the like.
	Stopped, Others Stops
}

// Stops are stops of the world by the runtime's own histogram.
type Stops struct {
	Count   int64         // exact; -1: this version of the runtime does not count
	Time    time.Duration // in all, within 13 %: the histogram's buckets are that wide
	Longest time.Duration // at most; 0 without stops
}

// The shape of runtime.timeHistogram (runtime/histogram.go): 40 buckets of 4, the first for less than
// 256 ns, each next one twice as wide; then two counters for what is out of range.
const (
	minBits    = 9
	subBits    = 2
	subBuckets = 1 << subBits
	histCounts = 40 * subBuckets
)

// histogram is the counts of a runtime.timeHistogram, nil where there is none.
type histogram []uint64

// bounds are the durations of bucket i in ns, the upper one not included.
func bounds(i int) (lo, hi uint64) {
	bucket, sub := i/subBuckets, uint64(i%subBuckets)
	shift := minBits - 1 - subBits // of the first bucket's sub-buckets, and of the second's
	if bucket == 0 {
		return sub << shift, (sub + 1) << shift
	}
	shift += bucket - 1
	lo = 1<<(minBits-1+bucket-1) + sub<<shift
	return lo, lo + 1<<shift
}

// since is what came to h after before was read.
func (h histogram) since(before histogram) (st Stops) {
	if h == nil || before == nil {
		return Stops{Count: -1}
	}
	for i, n := range h {
		if n <= before[i] {
			continue
		}
		n -= before[i]
		lo, hi := bounds(i)
		over, ns := bits.Mul64(n, (lo+hi)/2)
		if over > 0 || ns > 1<<62-uint64(st.Time) {
			return Stops{Count: -1} // no such thing happened while anybody counted
		}
		st.Count += int64(n)
		st.Time += time.Duration(ns)
		st.Longest = time.Duration(hi)
	}
	return st
}

// stops are the histograms when the recording began.
type stops struct{ gc, others histogram }

// since is what happened since before was read.
func (now stops) since(before stops) (gc, others Stops) {
	return now.gc.since(before.gc), now.others.since(before.others)
}

// since is what came to c after before was read. Longest is as of now.
func (c GC) since(before GC) GC {
	c.Mark -= before.Mark
	for _, x := range []struct{ now, then *Stops }{{&c.Stopped, &before.Stopped}, {&c.Others, &before.Others}} {
		if x.now.Count >= 0 && x.then.Count >= 0 {
			x.now.Count -= x.then.Count
			x.now.Time -= x.then.Time
		}
	}
	return c
}
