package fold

import (
	"bytes"
	"fmt"
	"maps"
	"testing"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// some makes a profile of a few samples that depend on n.
func some(k Keep, n int) *profile.Profile {
	b := NewBuilder(program, k)
	for i := range 30 {
		f := program.funcs[(i*n)%2]
		b.Add(&sample.Sample{Time: int64(100*n + i), Weight: int64(i + 1), Goid: uint64(i % 4), State: []sample.State{"select", sample.Running,
			"IO wait"}[i%3], Count: int64(i % 3 % 2),
			Curg:   []uint64{program.at(f, uint64(16+i%5)), program.at("runtime.goexit.abi0", 1)},
			Labels: []sample.Label{{Key: "a", Value: fmt.Sprint(i % n)}}})
	}
	return b.Profile()
}

// contents is a profile without its ids: value sums by stack and labels.
func contents(p *profile.Profile) map[string]string {
	sums := make(map[string][]int64)
	for _, s := range p.Sample {
		key := ""
		for _, l := range s.Location {
			key += fmt.Sprintf("%#x %s", l.Address, l.Mapping.File)
			for _, ln := range l.Line {
				key += fmt.Sprintf(" %s:%d", ln.Function.Name, ln.Line)
			}
		}
		key += fmt.Sprint(s.Label, s.NumLabel, s.NumUnit[sample.KeyEnd])
		if sums[key] == nil {
			sums[key] = make([]int64, len(s.Value))
		}
		for i, v := range s.Value {
			sums[key][i] += v
		}
	}
	text := make(map[string]string)
	for k, v := range sums {
		text[k] = fmt.Sprint(v)
	}
	return text
}

// Joined slices are what profile.Merge makes of them, with and without goroutine ids and intervals.
func TestJoinIsMerge(t *testing.T) {
	for _, k := range []Keep{{Wall: true}, {}, {Wall: true, Goroutines: true}, {Wall: true, Timeline: true}} {
		t.Run(fmt.Sprintf("%+v", k), func(t *testing.T) {
			j := NewJoin()
			var all []*profile.Profile
			for n := 1; n < 5; n++ {
				var file bytes.Buffer
				if err := some(k, n).Write(&file); err != nil {
					t.Fatal(err)
				}
				for range 2 {
					for _, take := range []func(*profile.Profile){j.Add, func(p *profile.Profile) { all = append(all, p) }} {
						p, err := profile.ParseData(file.Bytes())
						if err != nil {
							t.Fatal(err)
						}
						take(p)
					}
				}
			}
			merged, err := profile.Merge(all)
			if err != nil {
				t.Fatal(err)
			}
			if err := j.p.CheckValid(); err != nil {
				t.Fatal(err)
			}
			if got, want := contents(j.p), contents(merged); !maps.Equal(got, want) {
				t.Errorf("%d kinds of samples, want %d, or other values", len(got), len(want))
			}
			if len(j.p.Location) != len(merged.Location) || len(j.p.Function) != len(merged.Function) || len(j.p.Mapping) != len(merged.Mapping) {
				t.Errorf("%d locations, %d functions, %d mappings; want %d, %d, %d", len(j.p.Location), len(j.p.Function), len(j.p.Mapping),
					len(merged.Location), len(merged.Function), len(merged.Mapping))
			}
			if err := j.p.Write(&bytes.Buffer{}); err != nil {
				t.Error(err)
			}
		})
	}
}
