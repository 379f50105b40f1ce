package fold

import (
	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// Call is a call of a function whose begin and end are known.
type Call struct {
	Function   int // its place among the entries
	Goid       uint64
	Begin, End int64 // by the clock of the samples, ns
}

// AddCalls adds calls to the builder's profile, which is otherwise complete; entries are the functions' first instructions. A call
// becomes a sample of the timeline with no weight in any column, so that the file stays what every reader of pprof files
// understands: its stack is the function, go.id the goroutine, end_timestamp_ns when it ended, go.call_ns how long it took.
// Calls of a function that has no name are left out.
func (b *Builder) AddCalls(p *profile.Profile, entries []uint64, calls []Call) {
	units := map[string][]string{sample.KeyEnd: {"nanoseconds"}, sample.KeyCall: {"nanoseconds"}}
	locs := make([]*profile.Location, len(entries))
	for i, addr := range entries {
		locs[i] = b.entry(p, addr)
	}
	for _, c := range calls {
		if c.Function >= len(locs) || locs[c.Function] == nil {
			continue
		}
		p.Sample = append(p.Sample, &profile.Sample{
			Value: make([]int64, len(p.SampleType)), Location: locs[c.Function : c.Function+1 : c.Function+1],
			NumLabel: map[string][]int64{
				sample.KeyID: {int64(c.Goid)}, sample.KeyEnd: {c.End + b.epoch}, sample.KeyCall: {c.End - c.Begin},
			},
			NumUnit: units,
		})
	}
}

// entry adds the first instruction of a function to p.
func (b *Builder) entry(p *profile.Profile, addr uint64) *profile.Location {
	frames, mapping := b.symbols.Resolve(nil, addr)
	if len(frames) == 0 {
		return nil
	}
	l := &profile.Location{ID: uint64(len(p.Location) + 1), Address: addr}
	if mapping >= 0 && mapping < len(p.Mapping) {
		l.Mapping = p.Mapping[mapping]
	}
	f := frames[len(frames)-1] // the function itself: what is inlined at its beginning comes before
	l.Line = []profile.Line{{Function: b.function(p, f), Line: int64(f.StartLine)}}
	p.Location = append(p.Location, l)
	return l
}
