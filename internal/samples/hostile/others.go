package hostile

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/google/pprof/profile"
)

// Others are small profiles as other tools write them, and as the format allows: times of any unit, counts with a period,
// bytes, names that are there twice, and everything that may be missing. Each has its numbers from sample to sample.
func Others() map[string]*profile.Profile {
	cpu := &profile.ValueType{Type: "cpu", Unit: "nanoseconds"}
	all := map[string]*profile.Profile{
		"microseconds":     other("cpu", "samples/count", "wall/microseconds"),
		"milliseconds":     other("cpu", "samples/count", "cpu/milliseconds"),
		"seconds":          other("", "cpu/seconds"),
		"count and period": other("", "samples/count"),
		"heap":             other("inuse_space", "alloc_objects/count", "alloc_space/bytes", "inuse_objects/count", "inuse_space/bytes"),
		"mutex":            other("", "contentions/count", "delay/nanoseconds"),
		"one name":         other("", "/", "cpu/count", "cpu/nanoseconds"),
		"no such default":  other("gone", "samples/count", "cpu/nanoseconds"),
		"no stacks":        other("", "cpu/nanoseconds"),
		"bare locations":   other("", "cpu/nanoseconds"),
		"labels":           other("", "cpu/nanoseconds"),
		"some times":       other("", "samples/count", "cpu/nanoseconds"),
		"one":              other("", "cpu/nanoseconds"),
		"none":             {},
	}
	all["count and period"].PeriodType, all["count and period"].Period = cpu, 52631578
	all["heap"].PeriodType, all["heap"].Period = &profile.ValueType{Type: "space", Unit: "bytes"}, 512<<10
	all["one"].Sample = all["one"].Sample[:1]
	for i, s := range all["no stacks"].Sample {
		s.Location = s.Location[:i%2]
	}
	for i, s := range all["some times"].Sample {
		if i > 0 {
			s.NumLabel = map[string][]int64{"end_timestamp_ns": {1.7e18 + int64(i)*1e6}}
		}
	}
	bare(all["bare locations"])
	labelled(all["labels"])
	return all
}

// Wide has numbers whose sum is more than an int64 holds, in the last column.
func Wide() *profile.Profile {
	p := other("", "samples/count", "cpu/nanoseconds")
	for _, s := range p.Sample {
		s.Location, s.Value[1] = p.Location[:1], math.MaxInt64/2
	}
	return p
}

// other is a profile of four samples in columns "TYPE/UNIT", with nothing that is not needed.
func other(first string, columns ...string) *profile.Profile {
	p := &profile.Profile{DefaultSampleType: first}
	for _, c := range columns {
		name, unit, _ := strings.Cut(c, "/")
		p.SampleType = append(p.SampleType, &profile.ValueType{Type: name, Unit: unit})
	}
	for i := range uint64(3) {
		f := &profile.Function{ID: i + 1, Name: fmt.Sprintf("main.f%d", i)}
		p.Function = append(p.Function, f)
		p.Location = append(p.Location, &profile.Location{ID: i + 1, Line: []profile.Line{{Function: f}}})
	}
	for i := range 4 {
		s := &profile.Sample{Location: slices.Clone(p.Location[i%2 : 2+i%2])}
		for c := range columns {
			s.Value = append(s.Value, int64(10*i+c+1))
		}
		p.Sample = append(p.Sample, s)
	}
	return p
}

// bare leaves of locations what profile.proto needs: some have a mapping and an address, or no line, or a line of a function that has
// no name but the linker's.
func bare(p *profile.Profile) {
	m := &profile.Mapping{ID: 1, Start: 0x1000, Limit: 0x9000, File: "/usr/lib/libc.so.6"}
	p.Mapping = []*profile.Mapping{m}
	p.Location[0].Line, p.Location[0].Address, p.Location[0].Mapping = nil, 0x1234, m
	p.Location[1].Line = nil
	p.Function[2].Name, p.Function[2].SystemName = "", "do_write.isra.0"
}

// labelled has labels of several values, numbers of several units, and keys that are both.
func labelled(p *profile.Profile) {
	for i, s := range p.Sample {
		s.Label = map[string][]string{"two": {"y", "x"}, "twice": {"x", "x"}, "both": {"text"}, "": {"no key"}, "empty": {""}}
		s.NumLabel = map[string][]int64{"both": {7}, "bytes": {int64(i) << 10, 16}, "zero": {0}, "latency": {5}}
		s.NumUnit = map[string][]string{"bytes": {"bytes", "kilobytes"}, "zero": {"bytes"}, "latency": {"milliseconds"}}
	}
}
