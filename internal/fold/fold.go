package fold

import (
	"encoding/binary"
	"slices"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// Add folds one sample in. It does not keep the sample or its slices.
func (b *Builder) Add(s *sample.Sample) {
	if b.count(s) {
		return
	}
	b.stack = b.walk(b.stack[:0], s)
	if s.LabelsLost && !b.ofNoGoroutine(b.stack) {
		b.tally.LabelsLost++
		b.tally.LabelsLostTime += s.Weight + s.Stolen
	}
	b.fold(s)
	if s.Stolen > 0 && b.keep.Wall {
		part := *s // just before the time on the CPU: timelines have no two states at once
		part.State, part.Count, part.Weight, part.Time = sample.Preempted, 0, s.Stolen, s.Time-s.Weight
		b.tally.Wall += s.Stolen
		b.fold(&part)
	}
}

// fold adds a sample whose stack is in b.stack.
func (b *Builder) fold(s *sample.Sample) {
	if labels := b.benchmark(s); len(labels) > len(s.Labels) {
		one := *s
		one.Labels, s = labels, &one
	}
	b.makeRoom()
	s = b.within(s)
	b.key = b.appendKey(b.key[:0], s)
	f := b.find(s)
	f.count += s.Count
	f.ns[classOf(s.State)] += s.Weight
	if i := slices.Index(b.keep.Events, s.Event); i >= 0 {
		f.addEvents(len(b.keep.Events), i, s.Events)
	}
	if f.from != nil && f.from.timer && len(s.Labels) == 0 && !s.LabelsLost {
		b.tally.timer(f.from, s)
	}
}

// addEvents adds to the i-th of so many kinds of events.
func (f *fold) addEvents(kinds, i int, n int64) {
	if f.events == nil {
		f.events = make([]int64, kinds)
	}
	f.events[i] += n
}

// timer counts what a function of time.AfterFunc does without labels. What the table saw on a CPU, the on-CPU source tells.
func (t *Tally) timer(from *creator, s *sample.Sample) {
	t.Timers = from.text
	if s.State != sample.Running {
		t.TimerWall += s.Weight
	} else if s.Count > 0 {
		t.TimerCPU += s.Weight
		t.TimerWall += s.Weight
	}
}

// benchmark returns the labels of a sample, with that of the benchmark that it belongs to. A program's
// own label of that name is left alone.
func (b *Builder) benchmark(s *sample.Sample) []sample.Label {
	name := benchmarkOf(b.stack)
	b.bench.any = b.bench.any || name != ""
	if !b.bench.any || s.Goid == 0 {
		return s.Labels
	}
	if name = b.bench.inherit(s, name); name == "" {
		return s.Labels
	}
	if slices.ContainsFunc(s.Labels, func(l sample.Label) bool { return l.Key == benchmarkLabel }) {
		return s.Labels
	}
	return append(slices.Clip(s.Labels), sample.Label{Key: benchmarkLabel, Value: name})
}

// appendKey writes what makes samples equal: the sites of the stack, the labels, the goroutine.
func (b *Builder) appendKey(key []byte, s *sample.Sample) []byte {
	for _, st := range b.stack {
		key = binary.LittleEndian.AppendUint32(key, st.id)
	}
	key = append(key, 0xff, 0xff, 0xff, 0xff) // no site has this id
	from := uint32(0)
	if c := b.creator(s); c != nil {
		from = c.id
	}
	key = binary.LittleEndian.AppendUint32(key, from)
	key, cut := b.words.appendKey(key, s.Labels)
	if cut || s.LabelsTruncated {
		b.tally.LabelsCut++
	}
	if b.keep.Goroutines || b.keep.Timeline {
		key = binary.LittleEndian.AppendUint64(key, s.Goid)
	}
	if b.keep.Timeline {
		key = binary.LittleEndian.AppendUint64(key, uint64(s.Time))
	}
	if b.keep.Wall {
		key = append(key, s.State...)
		key = append(key, s.Peer...)
		key = append(key, s.Call...)
	}
	return key
}

// find returns the fold of the sample whose key is in b.key. A goroutine that has done nothing has
// one of its own, until it does something.
func (b *Builder) find(s *sample.Sample) *fold {
	x := b.idle[s.Goid]
	hold := b.keep.Wall && !b.keep.Idle && s.Idle && len(s.Labels) == 0 && s.Goid != 0
	switch {
	case hold && x != nil:
		return x.fold
	case hold:
		x = &idler{string(b.key), b.newFold(s)}
		b.idle[s.Goid] = x
		return x.fold
	case x != nil:
		b.wake(s.Goid, x)
	}
	f := b.folds[string(b.key)]
	if f == nil && b.limit.full && !b.keep.Timeline {
		s = b.crowded(s)
		b.key = b.appendKey(b.key[:0], s)
		f = b.folds[string(b.key)]
	}
	if f == nil {
		f = b.newFold(s)
		b.folds[string(b.key)] = f
	}
	return f
}

// wake folds in the time of a goroutine that is idle no longer.
func (b *Builder) wake(goid uint64, x *idler) {
	delete(b.idle, goid)
	f := b.folds[x.key]
	if f == nil {
		b.folds[x.key] = x.fold
		return
	}
	for i, ns := range x.fold.ns {
		f.ns[i] += ns
	}
	b.limit.held -= SampleBytes
}

// count keeps the tally. It says whether that is all there is to do: time on a CPU is the on-CPU
// source's to tell, what the goroutine table saw of it is a second opinion.
func (b *Builder) count(s *sample.Sample) (done bool) {
	if s.Event != "" {
		return false // no time
	}
	if s.Loss == sample.Lost {
		b.tally.CPU += s.Weight
		b.tally.Lost += s.Count
		return false
	}
	if s.Goid != 0 {
		b.tally.seen.add(s.Goid)
		if b.keep.Timeline && s.Parent != 0 {
			b.from[s.Goid] = s.Parent
		}
	}
	if s.State == sample.Running && s.Count == 0 && s.Loss != sample.InKernel {
		b.tally.TableCPU += s.Weight
		switch {
		case b.keep.TableToo:
			b.tally.Wall += s.Weight
			return false
		case !b.keep.TableOnly:
			return true
		}
	}
	if b.keep.TableOnly && !b.keep.Wall && s.State != sample.Running {
		return true // the table was opened for its CPU time
	}
	if s.State != sample.Running {
		b.tally.Wall += s.Weight
		return false
	}
	if !b.keep.TableToo {
		b.tally.Wall += s.Weight
	}
	b.tally.CPU += s.Weight
	b.tally.Samples += s.Count
	if len(s.Labels) == 0 {
		b.tally.Unlabeled += s.Weight
	}
	return false
}

func (b *Builder) newFold(s *sample.Sample) *fold {
	b.limit.held += SampleBytes
	f := &fold{sites: make([]uint32, len(b.stack)), labels: b.words.labels(s.Labels), from: b.creator(s)}
	for i, st := range b.stack {
		f.sites[i] = st.id
	}
	if b.keep.Goroutines || b.keep.Timeline {
		f.goid = s.Goid
	}
	if b.keep.Timeline {
		f.end, f.waitOn = s.Time, s.WaitOn
	}
	if b.keep.Wall {
		f.state, f.peer, f.call = s.State, s.Peer, s.Call
	}
	return f
}

// next returns an empty builder that knows what b knows, unless that is too much: then it begins anew.
// Both may be added to, not at the same time.
func (b *Builder) next() *Builder {
	n := NewBuilder(b.symbols, b.keep)
	n.epoch = b.epoch
	n.limit.bytes, n.limit.most = b.limit.bytes, b.limit.most
	if len(b.sites) <= maxSites {
		n.places = b.places
	} else {
		n.bench = b.bench
	}
	return n
}

// Freeze parts b from the builders that share its places. Nothing more is added to it, and its
// Profile may be asked for while they go on.
func (b *Builder) Freeze() {
	b.places = &places{sites: slices.Clip(b.sites)}
	b.symbols = frozen{b.symbols, b.symbols.Mappings()}
}
