package fold

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// A recording has a limit of memory. What grows without end is the number of samples that differ: a label whose
// value is another one for each request makes each request a sample of its own. So when there are
// too many, the label with the most values loses them: they become "(other)", the samples that are equal then are merged, and
// how much time that was is told. The time of all other labels, states and stacks stays what it is. A timeline cannot be
// merged: its recording ends there.

// SampleBytes is what a sample takes while profiles are joined and written. It is much more than a compressed profile itself,
// some 50 bytes a sample: to hold only what there is memory to write is the point of a limit.
const SampleBytes = 2 << 10

const (
	limitBase  = 128 << 20 // of a limit is for all but samples: the program, the sources, symbols, label texts
	leastLimit = 16 << 20  // for samples
	fewValues  = 64        // a label that has no more is not what takes the memory
)

// Limit bounds the memory of the builder and of the profile that is made of it, in bytes, for all that this
// process needs. 0 is no limit.
func (b *Builder) Limit(bytes int) {
	if bytes > 0 {
		b.limit.bytes, b.limit.most = bytes, max(bytes-limitBase, leastLimit)
	}
}

// Full says whether a timeline has reached the limit: it grows by what is added still.
func (b *Builder) Full() bool { return b.limit.full }

// within returns the sample as it is to be kept: without the values of labels that have too many.
func (b *Builder) within(s *sample.Sample) *sample.Sample {
	if len(b.limit.keys) == 0 {
		return s
	}
	labels := b.limit.label[:0]
	lost := false
	for _, l := range s.Labels {
		if k := b.limit.keys[userKey(l.Key)]; k != nil {
			k.add(s)
			l.Value, lost = sample.OtherValue, true
		}
		labels = append(labels, l)
	}
	b.limit.label = labels
	if !lost {
		return s
	}
	part := *s
	part.Labels = labels
	return &part
}

// makeRoom merges samples when they take too much.
func (b *Builder) makeRoom() {
	l := &b.limit
	if l.most == 0 || l.held <= l.most || l.full {
		return
	}
	for l.held > l.most/2 && !l.full {
		key, n := "", 0
		if !b.keep.Timeline {
			key, n = b.busiest()
		}
		if l.full = n <= fewValues; !l.full {
			b.forget(key)
		}
	}
}

// busiest is the label with the most values, and how many it has.
func (b *Builder) busiest() (key string, n int) {
	values := make(map[string]map[string]struct{})
	count := func(key, value string) {
		if values[key] == nil {
			values[key] = make(map[string]struct{})
		}
		values[key][value] = struct{}{}
	}
	for _, f := range b.folds {
		for _, l := range f.labels {
			count(l.Key, l.Value)
		}
		if f.goid != 0 {
			count(sample.KeyID, string(binary.LittleEndian.AppendUint64(nil, f.goid)))
		}
	}
	for _, k := range slices.Sorted(maps.Keys(values)) {
		if len(values[k]) > n {
			key, n = k, len(values[k])
		}
	}
	return key, n
}

// forget takes the values of a label away and merges what is equal then.
func (b *Builder) forget(key string) {
	lost := new(loss)
	if b.limit.keys == nil {
		b.limit.keys = make(map[string]*loss)
	}
	b.limit.keys[key] = lost
	if key == sample.KeyID {
		b.keep.Goroutines = false
	}
	old := b.folds
	b.folds = make(map[string]*fold)
	for _, f := range old {
		if key == sample.KeyID && f.goid != 0 {
			f.goid = 0
			lost.samples, lost.ns = lost.samples+1, lost.ns+f.time()
		}
		for i := range f.labels {
			if f.labels[i].Key == key {
				f.labels[i].Value = sample.OtherValue
				lost.samples, lost.ns = lost.samples+1, lost.ns+f.time()
			}
		}
		b.refold(f)
	}
	b.limit.held = SampleBytes * (len(b.folds) + len(b.idle))
}

func (f *fold) time() int64 { return f.ns[onCPU] + f.ns[runnable] + f.ns[blocked] }

// refold puts a fold where a sample like it would go.
func (b *Builder) refold(f *fold) {
	stack := b.stack
	b.stack = nil
	for _, id := range f.sites {
		b.stack = append(b.stack, b.sites[id])
	}
	s := &sample.Sample{Labels: f.labels, Goid: f.goid, State: f.state, Peer: f.peer, Call: f.call}
	if f.from != nil {
		s.Created = f.from.created
	}
	key := string(b.appendKey(nil, s))
	b.stack = stack
	same := b.folds[key]
	if same == nil {
		b.folds[key] = f
		return
	}
	same.count += f.count
	for i, ns := range f.ns {
		same.ns[i] += ns
	}
	for i, n := range f.events {
		same.addEvents(len(f.events), i, n)
	}
}

// crowded makes s a sample of which there is one for each state: no more kinds of samples fit.
func (b *Builder) crowded(s *sample.Sample) *sample.Sample {
	b.limit.left.add(s)
	b.stack = append(b.stack[:0], b.special(frameOther))
	return &sample.Sample{State: s.State, Weight: s.Weight, Count: s.Count, Time: s.Time, Event: s.Event, Events: s.Events}
}

// Remarks say what the limit cost, for Summary.Denied.
func (b *Builder) Remarks() (said []string) {
	l := &b.limit
	flag := fmt.Sprintf("(memory limit of %d MiB)", l.bytes>>20)
	for _, key := range slices.SortedFunc(maps.Keys(l.keys), cmp.Compare[string]) {
		lost := l.keys[key]
		said = append(said, fmt.Sprintf("values of label %s: %s of time in %d samples is %s=%s %s", key, time.Duration(lost.ns),
			lost.samples, key, sample.OtherValue, flag))
	}
	if l.left.samples > 0 {
		said = append(said, fmt.Sprintf("stacks and labels of %d samples, %s: they are %s %s", l.left.samples, time.Duration(l.left.ns),
			frameOther, flag))
	}
	return said
}
