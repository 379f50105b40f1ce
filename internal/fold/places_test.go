package fold

import (
	"testing"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// The latest stacks of goroutines have a bound that does not know how many goroutines there were, and those
// of goroutines that are on a CPU now and then are among them.
func TestLastStacksAreBounded(t *testing.T) {
	l := newLastStacks(1000)
	stack := make([]*site, 30)
	l.set(1, lastStack{sites: stack[:3]})
	for id := range uint64(100000) {
		l.set(10+id, lastStack{sites: stack[:1+id%30]})
		if id%10 == 0 {
			l.set(1, lastStack{sites: stack[:3]})
		}
		held := 0
		for _, generation := range []map[uint64]lastStack{l.young, l.old} {
			for _, s := range generation {
				held += len(s.sites) + lastCost
			}
		}
		if held > 2*(1000+lastCost+30) {
			t.Fatalf("goroutine %d: %d held", id, held)
		}
		if len(l.get(1).sites) != 3 || len(l.get(10+id).sites) != int(1+id%30) {
			t.Fatalf("goroutine %d is not there, or the first", id)
		}
	}
}

// A stream forgets its addresses when they are too many, and its slices are none the worse for it.
func TestSitesAreBounded(t *testing.T) {
	b := NewBuilder(program, Keep{Wall: true})
	most := 0
	for i := range 40 {
		for pc := range uint64(maxSites / 8) {
			b.Add(&sample.Sample{Time: 1, Weight: 1, State: "select", Goid: 1,
				Curg: []uint64{1<<32 + uint64(i)<<20 + pc, program.at("runtime.goexit.abi0", 1)}})
		}
		most = max(most, len(b.sites))
		n := b.next()
		b.Freeze()
		p := b.Profile()
		if err := p.CheckValid(); err != nil || len(p.Sample) != maxSites/8 {
			t.Fatalf("slice %d: %d samples, %v", i, len(p.Sample), err)
		}
		b = n
	}
	if most > maxSites*5/4 {
		t.Errorf("%d addresses remembered", most)
	}
}

// A sample that came without a stack has that of the goroutine's last sample on a CPU while its thread
// waits for one, and no other: under other labels, or waiting for something else, it ran meanwhile.
func TestLastStackIsOfTheSameMoment(t *testing.T) {
	label := func(v string) []sample.Label { return []sample.Label{{Key: "route", Value: v}} }
	run := []uint64{program.at("main.work", 0x20), program.at("runtime.goexit.abi0", 1)}
	for _, tt := range []struct {
		state  sample.State
		loss   sample.Loss
		labels []sample.Label
		want   string
	}{
		{sample.Preempted, sample.Unwalked, label("a"), "main.work"},
		{sample.Throttled, sample.Unwalked, label("a"), "main.work"},
		{sample.Preempted, sample.Unwalked, label("b"), "[unwalked]"},
		{sample.Preempted, sample.Unwalked, nil, "[unwalked]"},
		{sample.Runnable, sample.Unwalked, label("a"), "[unwalked]"},
		{"IO wait", sample.Unwalked, label("a"), "[unwalked]"},
		{sample.Syscall, sample.Unwalked, label("a"), "[unwalked]"},
		{sample.Syscall, sample.Whole, label("a"), "main.work"}, // a page fault
		{sample.Syscall, sample.Whole, label("b"), "[unwalked]"},
	} {
		p := build(t, Keep{Wall: true},
			sample.Sample{Goid: 1, Count: 1, Weight: 10, State: sample.Running, User: run, Labels: label("a")},
			sample.Sample{Goid: 1, Weight: 1, State: tt.state, Loss: tt.loss, Labels: tt.labels})
		if got := stack(p.Sample[1]); got != tt.want {
			t.Errorf("%s under %v: %s, want %s", tt.state, tt.labels, got, tt.want)
		}
	}
}
