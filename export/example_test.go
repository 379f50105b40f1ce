package export_test

import (
	"fmt"
	"os"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/export"
)

// one is a profile of 20 ms in main.work, which main.main calls.
func one() *profile.Profile {
	p := &profile.Profile{SampleType: []*profile.ValueType{{Type: "samples", Unit: "count"}, {Type: "cpu", Unit: "nanoseconds"}},
		PeriodType: &profile.ValueType{Type: "cpu", Unit: "nanoseconds"}}
	var stack []*profile.Location
	for i, name := range []string{"main.work", "main.main"} {
		f := &profile.Function{ID: uint64(i + 1), Name: name}
		l := &profile.Location{ID: uint64(i + 1), Line: []profile.Line{{Function: f}}}
		p.Function, p.Location, stack = append(p.Function, f), append(p.Location, l), append(stack, l)
	}
	p.Sample = []*profile.Sample{{Location: stack, Value: []int64{20, 20_000_000}}}
	return p
}

// A profile as the stacks that flame graph tools read.
func ExampleByName() {
	format, err := export.ByName("folded")
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := format.Write(os.Stdout, one(), export.Options{}); err != nil {
		fmt.Println(err)
	}
	// Output: main.main;main.work 20000000
}

// The format is that of the file's name.
func ExampleForFile() {
	for _, name := range []string{"cpu.pb.gz", "cpu.folded", "cpu"} {
		fmt.Println(export.ForFile(name).Name)
	}
	// Output:
	// pprof
	// folded
	// pprof
}
