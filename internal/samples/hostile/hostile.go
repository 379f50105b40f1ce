// Package hostile has profiles that try what reads them, for fuzz targets: small ones of each kind, and bombs, which are
// as large as package samples lets through for what they are made of.
package hostile

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/cost"
	"github.com/mayfly-profiler/mayfly/internal/samples"
)

// limit is for what reads a profile that package samples let through, which costs a gigabyte of memory at most. The go
// command's fuzzer gives each input ten seconds of its own, whether the process has a CPU or not (testing/internal/testdeps,
// internal/fuzz.RunFuzzWorker): so what inputs ask for is kept to some tenths of a second of linear work.
var limit = cost.Limit{Bytes: 1 << 30, Time: 4 * time.Second}

// mostBytes is what a profile may be, encoded, once its samples are repeated.
const mostBytes = 4 << 20

// Fuzz has check look at any profile that can be read from a file, and holds it to a limit of memory and time. The profile's
// samples are repeated up to so many, with other values of all their labels each time, or other keys.
func Fuzz(f *testing.F, check func(t *testing.T, p *profile.Profile)) {
	seed := func(p *profile.Profile, most uint16, keys bool) {
		var b bytes.Buffer
		if err := p.WriteUncompressed(&b); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes(), most, keys)
	}
	seed(&profile.Profile{}, 0, false)
	seed(extreme(), 0, false)
	seed(deep(), 0, false)
	seed(New(3, "request"), 10_000, false) // as many values as samples
	seed(New(3, "request"), 10_000, true)
	seed(New(1, strings.Repeat("k\x1b[2J", 2000)), 3000, false)
	f.Fuzz(func(t *testing.T, file []byte, most uint16, keys bool) {
		p, err := samples.Read(bytes.NewReader(file), "fuzz")
		if err != nil {
			return
		}
		size := 1 + len(file)
		if p.CheckValid() != nil || size*int(most) > mostBytes {
			most = 0 // what repeats a large sample would not be let through
		}
		grow(p, int(most), keys)
		limit.Hold(t, func() { check(t, p) })
	})
}

// grow repeats samples up to so many, each with labels of its own.
func grow(p *profile.Profile, most int, keys bool) {
	n := len(p.Sample)
	for i := n; n > 0 && i < most; i++ {
		s := *p.Sample[i%n]
		s.Value = slices.Clone(s.Value) // as what reads a file or records has them: join adds in place
		s.Label = make(map[string][]string)
		for key, values := range p.Sample[i%n].Label {
			switch {
			case strings.HasPrefix(key, "go."):
				s.Label[key] = values
			case keys:
				s.Label[fmt.Sprint(key, i)] = values
			default:
				s.Label[key] = []string{fmt.Sprint(values, i)}
			}
		}
		p.Sample = append(p.Sample, &s)
	}
}

// New is a timeline of n intervals in main.f, each with another value of the label.
func New(n int, label string) *profile.Profile {
	p := &profile.Profile{TimeNanos: 1e18, DurationNanos: 1e9, PeriodType: &profile.ValueType{Type: "cpu", Unit: "nanoseconds"}, Period: 1e6}
	for _, name := range []string{"samples", "cpu", "runnable", "blocked", "wall"} {
		p.SampleType = append(p.SampleType, &profile.ValueType{Type: name, Unit: "nanoseconds"})
	}
	m := &profile.Mapping{ID: 1, Start: 0x1000, Limit: 0x9000, File: "/bin/x"}
	f := &profile.Function{ID: 1, Name: "main.f", Filename: "x.go"}
	l := &profile.Location{ID: 1, Mapping: m, Address: 0x1001, Line: []profile.Line{{Function: f, Line: 7}}}
	p.Mapping, p.Function, p.Location = []*profile.Mapping{m}, []*profile.Function{f}, []*profile.Location{l}
	for i := range int64(n) {
		p.Sample = append(p.Sample, &profile.Sample{
			Location: p.Location, Value: []int64{1, 1e6, 0, 1e6, 2e6},
			Label:    map[string][]string{label: {fmt.Sprint("v", i)}, "go.state": {[]string{"running", "IO wait"}[i%2]}},
			NumLabel: map[string][]int64{"go.id": {i / 4}, "end_timestamp_ns": {1e18 + i*1e6}},
		})
	}
	return p
}

// extreme has numbers whose sums overflow.
func extreme() *profile.Profile {
	p := New(8, "k")
	p.TimeNanos, p.DurationNanos, p.Period = math.MaxInt64, math.MaxInt64, math.MinInt64
	for i, s := range p.Sample {
		for k := range s.Value {
			s.Value[k] = math.MaxInt64
		}
		s.NumLabel["go.id"] = []int64{math.MinInt64, 1}[i%2:]
		s.NumLabel["end_timestamp_ns"] = []int64{[]int64{math.MaxInt64, math.MinInt64}[i%2]}
	}
	p.Location[0].Line[0].Line = math.MinInt64
	return p
}

// deep has a stack of as many frames as a file may have, in a function with a long name.
func deep() *profile.Profile {
	p := New(1, "k")
	p.Function[0].Name = "main." + strings.Repeat("f", 1<<8)
	l := p.Location[0]
	for len(l.Line) < 64 {
		l.Line = append(l.Line, l.Line[0])
	}
	s := p.Sample[0]
	for s.Location = nil; len(s.Location) < 1<<8; {
		s.Location = append(s.Location, l)
	}
	return p
}
