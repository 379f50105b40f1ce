package fold

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// flood adds n samples of 1 us, each with a request of its own, one of 40 tenants and one of three endpoints.
func flood(b *Builder, n int) {
	stack := []uint64{program.at("main.work", 16), program.at("main.work", 20), program.at("runtime.goexit.abi0", 1)}
	for i := range n {
		b.Add(&sample.Sample{Time: int64(i + 1), Weight: 1000, Goid: uint64(i + 1), State: "sleep", Curg: stack, Labels: []sample.Label{
			{Key: "endpoint", Value: fmt.Sprint("/", i%3)}, {Key: "tenant", Value: fmt.Sprint(i % 40)}, {Key: "request", Value: fmt.Sprint(i)},
		}})
	}
}

// TestMemoryLimit has a request label with half a million values in a recording that has room for 8,192 samples: what
// is known by the other labels stays exact, and the loss is told with its weight.
func TestMemoryLimit(t *testing.T) {
	const n = 500_000
	b := NewBuilder(program, Keep{Wall: true})
	b.Limit(1) // the least
	before := heapBytes()
	flood(b, n)
	if b.limit.held > leastLimit+SampleBytes {
		t.Errorf("%d bytes are held, the limit is %d", b.limit.held, leastLimit)
	}
	if got := heapBytes() - before; got > leastLimit*3/2 {
		t.Errorf("%d bytes of heap, the limit is %d", got, leastLimit)
	}
	said := b.Remarks()
	if len(said) != 1 || !strings.HasPrefix(said[0], "values of label request: 500ms of time in 500000 samples is request=(other)") {
		t.Errorf("said %q", said)
	}
	if got := b.Tally().Goroutines; got != n {
		t.Errorf("%d goroutines, want %d", got, n)
	}
	sums := make(map[string]int64)
	p := b.Profile()
	for _, s := range p.Sample {
		sums["all"] += s.Value[4]
		for key, v := range s.Label {
			sums[key+"="+v[0]] += s.Value[4]
		}
	}
	for i := range 40 {
		if got, want := sums[fmt.Sprint("tenant=", i)], int64(n/40*1000); got != want {
			t.Errorf("tenant %d: %d ns, want %d", i, got, want)
		}
	}
	if sums["all"] != n*1000 || sums["request=(other)"] != n*1000 || sums["go.state=sleep"] != n*1000 || len(p.Sample) != 120 {
		t.Errorf("%d samples: %v", len(p.Sample), sums)
	}
}

// TestMemoryLimitByStacks has more stacks than there is room for: they become one, and their states stay.
func TestMemoryLimitByStacks(t *testing.T) {
	b := NewBuilder(program, Keep{Wall: true})
	b.Limit(1)
	const n = 3 * leastLimit / SampleBytes
	for i := range n {
		var stack []uint64
		for bit := range 16 {
			stack = append(stack, program.at("main.work", uint64(1+i>>bit&1)))
		}
		b.Add(&sample.Sample{Weight: 1, Goid: 1, State: "select", Curg: append(stack, program.at("runtime.goexit.abi0", 1))})
	}
	said := b.Remarks()
	if len(said) != 1 || !strings.Contains(said[0], "[other]") {
		t.Errorf("said %q", said)
	}
	var all int64
	p := b.Profile()
	for _, s := range p.Sample {
		all += s.Value[4]
	}
	if all != n || len(p.Sample) > leastLimit/SampleBytes+2 {
		t.Errorf("%d ns in %d samples, want %d", all, len(p.Sample), n)
	}
}

// TestMemoryLimitOfGoroutines: the ids go first when they are the most, then nothing else has to.
func TestMemoryLimitOfGoroutines(t *testing.T) {
	b := NewBuilder(program, Keep{Wall: true, Goroutines: true})
	b.Limit(1)
	stack := []uint64{program.at("main.work", 16), program.at("runtime.goexit.abi0", 1)}
	for i := range 100_000 {
		b.Add(&sample.Sample{Weight: 1, Goid: uint64(i + 1), State: "select", Curg: stack, Labels: []sample.Label{{Key: "k", Value: "v"}}})
	}
	if said := b.Remarks(); len(said) != 1 || !strings.HasPrefix(said[0], "values of label go.id: ") {
		t.Errorf("said %q", said)
	}
	if p := b.Profile(); len(p.Sample) != 1 || p.Sample[0].Value[4] != 100_000 || p.Sample[0].Label["k"][0] != "v" {
		t.Errorf("%v", p.Sample)
	}
}

// TestMemoryLimitOfATimeline: it says that it is full, and keeps what it is given.
func TestMemoryLimitOfATimeline(t *testing.T) {
	b := NewBuilder(program, Keep{Wall: true, Timeline: true})
	b.Limit(1)
	flood(b, leastLimit/SampleBytes)
	if b.Full() {
		t.Error("full too early")
	}
	flood(b, 2*leastLimit/SampleBytes)
	if !b.Full() {
		t.Error("not full")
	}
}

func heapBytes() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// BenchmarkAdd adds samples of 120 kinds, with a limit and without.
func BenchmarkAddWithLimit(b *testing.B) {
	for name, limit := range map[string]int{"limit": 1 << 30, "none": 0} {
		b.Run(name, func(b *testing.B) {
			x := NewBuilder(program, Keep{Wall: true})
			x.Limit(limit)
			s := &sample.Sample{Weight: 1, Goid: 1, State: "sleep", Curg: []uint64{program.at("main.work", 16),
				program.at("runtime.goexit.abi0", 1)},
				Labels: []sample.Label{{Key: "endpoint", Value: "/a"}, {Key: "tenant", Value: "t"}}}
			b.ReportAllocs()
			for b.Loop() {
				x.Add(s)
			}
		})
	}
}
