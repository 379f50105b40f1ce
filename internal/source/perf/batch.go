package perf

import (
	"cmp"
	"slices"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// What the batches of all rings hold together, about, before they are weighed.
const (
	batchSamples = 8192
	batchWords   = 1 << 20
)

// batch holds samples until the CPU time that they stand for has been read from the process's clock.
type batch struct {
	samples []sample.Sample
	words   []uint64 // their stacks
	lost    int64
	skipped int64 // taken and left out: SetRate
	late    int64 // samples whose goroutine was read too late
	noG     int64 // that ran none
	carry   int64 // ns of CPU time that no sample has stood for so far
}

// full says whether one of n batches has its part of what all may hold.
func (b *batch) full(n int) bool {
	return n*len(b.samples) >= batchSamples || n*len(b.words) >= batchWords
}

// add holds a sample, with stacks of its own.
func (b *batch) add(s sample.Sample, e *event) {
	k, u := len(b.words), len(b.words)+len(e.kernel)
	b.words = append(append(b.words, e.kernel...), e.user...)
	s.Kernel, s.User = b.words[k:u:u], b.words[u:len(b.words):len(b.words)]
	b.samples = append(b.samples, s)
}

// join adds what is in another batch, which keeps the stacks.
func (b *batch) join(o *batch) {
	b.samples = append(b.samples, o.samples...)
	b.lost += o.lost
	b.skipped += o.skipped
	b.late += o.late
	b.noG += o.noG
}

// sort puts the samples of several rings in the order in which they were taken.
func (b *batch) sort() {
	slices.SortStableFunc(b.samples, func(x, y sample.Sample) int { return cmp.Compare(x.Time, y.Time) })
}

// end drops what was taken after a time: samples of another program.
func (b *batch) end(at int64) {
	b.samples = slices.DeleteFunc(b.samples, func(s sample.Sample) bool { return s.Time > at })
}

// share divides cpu ns among the samples and the lost ones: n parts of each ns, the remainder of the
// division on the first. With a period, no sample stands for more than that, and what is left was
// spent in the kernel; less than a period is carried over. Time without any sample is, too.
func (b *batch) share(cpu, period int64) (each, first, kernel int64) {
	n := int64(len(b.samples)) + b.lost
	b.carry += cpu
	if period > 0 {
		if kernel = b.carry - n*period; kernel < period {
			kernel = 0
		}
		b.carry -= kernel
		if n > 0 && b.carry > n*period { // less than a period: for the next time
			each = period
			b.carry -= n * period
			return each, each, kernel
		}
	}
	if n == 0 {
		return 0, 0, kernel
	}
	each = b.carry / n
	first = b.carry - each*(n-1)
	b.carry = 0
	return each, first, kernel
}

// stretch is the period of the samples that are there, of which each stands for some that were left out. 0: time without
// any waits for the next one.
func (b *batch) stretch(period int64) int64 {
	n := int64(len(b.samples)) + b.lost
	if b.skipped == 0 {
		return period
	}
	if n == 0 {
		return 0
	}
	return period * (n + b.skipped) / n
}

// emit hands the samples on, the lost ones as one.
func (b *batch) emit(each, first, now int64, emit func(*sample.Sample)) {
	for i := range b.samples {
		sm := &b.samples[i]
		sm.Weight = each
		if i == 0 {
			sm.Weight = first
		}
		emit(sm)
	}
	if n := b.lost; n > 0 {
		emit(&sample.Sample{Time: now, State: sample.Running, Loss: sample.Lost, Count: n, Weight: n * each})
	}
}

func (b *batch) reset() {
	clear(b.samples)
	b.samples, b.words = b.samples[:0], b.words[:0]
	b.lost, b.skipped, b.late, b.noG = 0, 0, 0, 0
}
