package fold

import (
	"testing"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
	"github.com/mayfly-profiler/mayfly/symbolize"
)

// Samples that are equal but for the go statement that started their goroutine are not one; what is no Go code makes no label.
func TestCreatedBy(t *testing.T) {
	one := sample.Sample{Goid: 7, Weight: 10, Count: 1, State: sample.Running, User: []uint64{program.at("main.work", 5)}}
	var all []sample.Sample
	for _, created := range []uint64{program.at("main.main", 9), program.at("main.main", 9), program.at("main.work", 9), 0, 5, 1 << 60} {
		one.Created = created
		all = append(all, one)
	}
	p := build(t, Keep{}, all...)
	got := map[string]int64{}
	for _, s := range p.Sample {
		got[first(s.Label[sample.KeyCreatedBy])] += s.Value[1]
	}
	want := map[string]int64{"main.main x.go:8": 20, "main.work x.go:8": 10, "": 30}
	for text, ns := range want {
		if got[text] != ns {
			t.Errorf("%q: %d ns, want %d", text, got[text], ns)
		}
	}
	if len(got) != len(want) || len(p.Sample) != len(want) {
		t.Errorf("%d samples, %v", len(p.Sample), got)
	}
}

func TestCreatedByText(t *testing.T) {
	for want, frames := range map[string][]symbolize.Frame{
		"": nil,
		"net/http.(*Server).Serve server.go:3454": {{Func: "net/http.(*Server).Serve", File: "/usr/local/go/src/net/http/server.go", Line: 3454}},
		"main.start": {{Func: "main.start", File: "?"}},
	} {
		if got := CreatedBy(frames); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := CreatedBy([]symbolize.Frame{{Func: "runtime.rt0_go.abi0", File: "/r/asm_amd64.s", Line: 345}}); got != "" {
		t.Errorf("the main goroutine: %q", got)
	}
}

// Functions of timers count when they have no label, and their time on a CPU once.
func TestTimers(t *testing.T) {
	x := text{funcs: []string{"time.goFunc", "main.late", "runtime.goexit.abi0"}}
	b := NewBuilder(x, Keep{Wall: true, TableToo: true})
	late := sample.Sample{Goid: 7, Weight: 10, Count: 1, State: sample.Running, Created: x.at("time.goFunc", 9),
		User: []uint64{x.at("main.late", 5)}}
	b.Add(&late)
	late.Count = 0
	b.Add(&late) // the table's opinion
	late.State = sample.Runnable
	b.Add(&late)
	late.Labels = []sample.Label{{Key: "k", Value: "v"}}
	b.Add(&late)
	if y := b.Tally(); y.TimerCPU != 10 || y.TimerWall != 20 || y.Timers != "time.goFunc x.go:8" {
		t.Errorf("%d ns on a CPU, %d in all, of %q", y.TimerCPU, y.TimerWall, y.Timers)
	}
}

func TestRuntimeClass(t *testing.T) {
	for _, tt := range []struct {
		want  string
		stack []string // leaf first
	}{
		{sample.ClassGC, []string{"runtime.scanobject", "runtime.gcDrain", "runtime.gcBgMarkWorker"}},
		{sample.ClassGC, []string{"runtime.gcAssistAlloc", "runtime.mallocgc", "main.work", "main.main", "runtime.main"}},
		{sample.ClassGC, []string{"runtime.bgsweep"}},
		{sample.ClassScheduler, []string{"runtime.findRunnable", "runtime.schedule", frameScheduler}},
		{sample.ClassRuntime, []string{"runtime.usleep", "runtime.sysmon", "runtime.mstart1", "runtime.mstart.abi0"}},
		{sample.ClassRuntime, []string{"internal/runtime/atomic.Load", "runtime.bgscavenge"}},
		{"", []string{"runtime.memmove", "main.work", "main.main", "runtime.main"}},
		{"", []string{"runtime.gopark", "sync.(*WaitGroup).Wait"}}, // go wg.Wait()
		{"", []string{"main.clean", "runtime.runFinalizers"}},
		{"", []string{"runtime.gopark", frameTruncated}},
		{"", []string{frameUnwalked}},
		{"", []string{frameThread}},
		{"", nil},
	} {
		b := NewBuilder(program, Keep{})
		var sites []uint32
		for _, function := range tt.stack {
			sites = append(sites, b.newSite(1, []symbolize.Frame{{Func: function, Kind: symbolize.Go}}, 0).id)
		}
		if got := b.runtimeClass(sites); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.stack, got, tt.want)
		}
	}
	b := NewBuilder(program, Keep{})
	jit := b.newSite(1, []symbolize.Frame{{Func: "runtime.gcDrain", Kind: symbolize.JIT}}, 0).id
	if got := b.runtimeClass([]uint32{jit}); got != "" {
		t.Errorf("generated code that is called as the collector is %q", got)
	}
}
