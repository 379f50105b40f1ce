package top

import (
	"cmp"
	"encoding/json"
	"flag"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// observed makes the profile of a small service. Each row of it is one sample.
func observed() *profile.Profile {
	p := &profile.Profile{TimeNanos: 1e18, DurationNanos: 1e9}
	for _, name := range []string{"samples", "cpu", "runnable", "blocked", "wall"} {
		unit := "nanoseconds"
		if name == "samples" {
			unit = "count"
		}
		p.SampleType = append(p.SampleType, &profile.ValueType{Type: name, Unit: unit})
	}
	funcs := make(map[string]*profile.Location)
	kernel := &profile.Mapping{ID: 1, File: "[kernel.kallsyms]"}
	p.Mapping = []*profile.Mapping{kernel}
	at := func(name string) *profile.Location {
		l := funcs[name]
		if l == nil {
			f := &profile.Function{ID: uint64(len(funcs) + 1), Name: name}
			l = &profile.Location{ID: f.ID, Line: []profile.Line{{Function: f}}}
			if name == "futex_wait" {
				l.Mapping = kernel
			}
			funcs[name] = l
			p.Function, p.Location = append(p.Function, f), append(p.Location, l)
		}
		return l
	}
	column := map[string]int{"running": 1, "runnable": 2, "preempted": 2}
	add := func(ms int64, state string, goid int64, endpoint, request string, stack ...string) {
		s := &profile.Sample{Value: make([]int64, 5), Label: map[string][]string{"go.state": {state}},
			NumLabel: map[string][]int64{"go.id": {goid}}}
		i, ok := column[state]
		if !ok {
			i = 3
		}
		s.Value[i], s.Value[4] = ms*1e6, ms*1e6
		if endpoint != "" {
			s.Label["endpoint"] = []string{endpoint}
		}
		if request != "" {
			s.Label["request"] = []string{request}
		}
		for _, name := range stack {
			s.Location = append(s.Location, at(name))
		}
		p.Sample = append(p.Sample, s)
	}
	add(120, "running", 7, "/fulfil", "r1", "runtime.memmove", "main.pick", "main.serve")
	add(300, "sync.Mutex.Lock", 7, "/fulfil", "r1", "runtime.gopark", "internal/sync.(*Mutex).lockSlow", "sync.(*Mutex).Lock",
		"main.pick", "main.serve")
	add(80, "runnable", 8, "/fulfil", "r2", "main.pick", "main.serve")
	add(40, "running", 9, "/status", "r3", "main.status", "main.serve")
	add(10, "preempted", 9, "/status", "", "main.status", "main.serve")
	add(990, "select", 1, "", "", "runtime.gopark", "runtime.selectgo", "main.loop")
	add(5, "running", 2, "", "", "runtime.gcDrain", "runtime.gcBgMarkWorker")
	add(20, "syscall", 3, "", "", "futex_wait", "syscall.Syscall6", "os.(*File).Read", "main.tail")
	return p
}

func TestTables(t *testing.T) {
	for _, by := range []string{"", "label:request", "label:none", "func", "state"} {
		t.Run(by, func(t *testing.T) {
			b, err := ParseBy(by)
			if err != nil {
				t.Fatal(err)
			}
			p := observed()
			if err := p.CheckValid(); err != nil {
				t.Fatal(err)
			}
			table := Of(p, b)
			got, err := json.MarshalIndent(table, "", " ")
			if err != nil {
				t.Fatal(err)
			}
			golden(t, "table-"+strings.ReplaceAll(cmp.Or(by, "auto"), ":", "-")+".json", append(got, '\n'))
			sum := int64(0)
			for i := range table.Rows {
				sum += table.Rows[i].Wall()
			}
			if sum != table.Total.Wall() {
				t.Errorf("rows add up to %d, total %d", sum, table.Total.Wall())
			}
		})
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
	}
}

// endpoint and request cover nearly the same time, and endpoint has fewer values.
func TestKeys(t *testing.T) {
	if got := Keys(observed()); !slices.Equal(got, []string{"endpoint", "request"}) {
		t.Errorf("keys = %q", got)
	}
	if got := Best(&profile.Profile{}); got.Kind != Func {
		t.Errorf("without labels: %v", got)
	}
}

func TestParseBy(t *testing.T) {
	for _, s := range []string{"label:endpoint", "label:a:b", "func", "state", ""} {
		if by, err := ParseBy(s); err != nil || by.String() != s {
			t.Errorf("%q: %v, %v", s, by, err)
		}
	}
	for _, s := range []string{"label", "label:", "func:x", "line", ":x"} {
		if by, err := ParseBy(s); err == nil {
			t.Errorf("%q: %v", s, by)
		}
	}
}

// A CPU profile of any other profiler has one column of time and no states.
func TestCPUProfile(t *testing.T) {
	p := &profile.Profile{SampleType: []*profile.ValueType{{Type: "samples", Unit: "count"}, {Type: "cpu", Unit: "nanoseconds"}}}
	p.Sample = []*profile.Sample{{Value: []int64{1, 1e7}}, {Value: []int64{3, 3e7}, Label: map[string][]string{"job": {"x"}}}}
	table := Of(p, By{Label, "job"})
	if len(table.Rows) != 2 || table.Rows[0].CPU != 3e7 || table.Rows[1].Name != "" || table.Total.Wall() != 4e7 {
		t.Errorf("%+v", table)
	}
}

// Rows of a label have its values' lifetimes, the total has those of all goroutines, and rows of other kinds have none.
func TestLive(t *testing.T) {
	all := []sample.Lifetimes{{P50: 1}, {Key: "k", Value: "a", P50: 2}, {Key: "other", Value: "b", P50: 3}, {Key: "k", P50: 4}}
	table := &Table{By: By{Label, "k"}, Rows: []Row{{Name: "a"}, {Name: "b"}, {}}}
	if table.Lived() {
		t.Error("lifetimes before there are any")
	}
	table.Live(all)
	if r := table.Rows; !table.Lived() || r[0].Lives != &all[1] || r[1].Lives != nil || r[2].Lives != nil || table.Total.Lives != &all[0] {
		t.Errorf("%+v", table)
	}
	table = &Table{By: By{Kind: Func}, Rows: []Row{{Name: "a"}}}
	if table.Live(all); table.Lived() {
		t.Error("a function has the lifetimes of a label")
	}
}

// A row has the error of the label sets that it is of; where nothing was counted, that of its samples.
func TestCount(t *testing.T) {
	p := observed()
	for _, s := range p.Sample {
		if s.Value[1] > 0 {
			s.Value[0] = 10
		}
	}
	sampled := Of(p, By{Label, "endpoint"})
	if r := sampled.Rows[0]; r.CPU == 0 || r.Error == 0 {
		t.Errorf("%s: %d +-%d", r.Name, r.CPU, r.Error)
	}
	if sampled.Exact || sampled.Total.Error != 0 {
		t.Errorf("%+v", sampled.Total)
	}
	name := sampled.Rows[0].Name
	label := sample.Label{Key: "endpoint", Value: name}
	counted := Of(p, By{Label, "endpoint"})
	counted.Count([]sample.ExactCPU{
		{Kind: sample.CPUOfLabels, Labels: []sample.Label{label}, CPU: 5, Error: 3},
		{Kind: sample.CPUOfLabels, Labels: []sample.Label{label, {Key: "tenant", Value: "x"}}, CPU: 5, Error: 4},
		{Kind: sample.CPUOfProbes, Error: 100},
	})
	if !counted.Exact || counted.Rows[0].Error != 7 || counted.Rows[1].Error != sampled.Rows[1].Error {
		t.Errorf("%+v", counted.Rows)
	}
	if counted.Count(nil); counted.Exact {
		t.Error("nothing was counted")
	}
}

// What is within the error of a row in 19 of 20 cases is so also where there are few samples.
func TestChance(t *testing.T) {
	for _, mean := range []float64{0.5, 2, 10, 100, 600} {
		within := 0.0
		p := math.Exp(-mean) // of n samples, if that many are to be expected
		for n := 0; n < 2000; n++ {
			if n > 0 {
				p *= mean / float64(n)
			}
			if off := chance(int64(n)*1000, int64(n)); n > 0 && math.Abs(float64(n)-mean)*1000 <= float64(off) {
				within += p
			}
			if n == 0 { // such a row is not there
				within += p
			}
		}
		if within < 0.95 {
			t.Errorf("%g samples: within the error in %.3f of all cases", mean, within)
		}
	}
}
