package fold

import (
	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/symbolize"
)

// mappings adds the target's mappings to p. They are all marked as resolved: nothing but this
// process ever knew more about them.
func (b *Builder) mappings(p *profile.Profile) []*profile.Mapping {
	var maps []*profile.Mapping
	for i, m := range b.symbols.Mappings() {
		maps = append(maps, &profile.Mapping{
			ID: uint64(i + 1), Start: m.Start, Limit: m.Limit, Offset: m.Offset, File: m.File, BuildID: m.BuildID,
			HasFunctions: true, HasFilenames: true, HasLineNumbers: true, HasInlineFrames: true,
		})
	}
	p.Mapping = maps
	return maps
}

// locations turns the sites of all folds into locations of p. The result has them by site id.
func (b *Builder) locations(p *profile.Profile, maps []*profile.Mapping) []*profile.Location {
	locs := make([]*profile.Location, len(b.sites))
	used := b.used()
	for i, st := range b.sites {
		if !used[i] {
			continue
		}
		l := &profile.Location{ID: uint64(len(p.Location) + 1), Address: st.addr}
		if st.mapping >= 0 && st.mapping < len(maps) {
			l.Mapping = maps[st.mapping]
		}
		for _, fr := range st.frames {
			l.Line = append(l.Line, profile.Line{Function: b.function(p, fr), Line: int64(fr.Line)})
		}
		locs[i] = l
		p.Location = append(p.Location, l)
	}
	return locs
}

func (b *Builder) function(p *profile.Profile, fr symbolize.Frame) *profile.Function {
	k := function{fr.Func, fr.File, fr.StartLine}
	f := b.funcs[k]
	if f == nil {
		f = &profile.Function{ID: uint64(len(p.Function) + 1), Name: fr.Func, SystemName: fr.SystemName, Filename: fr.File,
			StartLine: int64(fr.StartLine)}
		if f.SystemName == "" {
			f.SystemName = fr.Func
		}
		b.funcs[k] = f
		p.Function = append(p.Function, f)
	}
	return f
}

// used says which sites the folds have, by id.
func (b *Builder) used() []bool {
	used := make([]bool, len(b.sites))
	for _, f := range b.folds {
		for _, id := range f.sites {
			used[id] = true
		}
	}
	return used
}
