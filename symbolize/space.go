package symbolize

import (
	"cmp"
	"fmt"
	"slices"
	"sort"

	"github.com/mayfly-profiler/mayfly/internal/proc"
)

// region is an executable mapping of a file.
type region struct {
	proc.Mapping
	obj   *object
	bias  uint64 // address minus link-time address
	index int    // in mappings
}

// identity tells files apart, also those that have had the same path.
type identity struct {
	dev, inode uint64
	path       string
}

// executable keeps the mappings with code of a file.
func executable(maps []proc.Mapping) []proc.Mapping {
	return slices.DeleteFunc(maps, func(m proc.Mapping) bool {
		return !m.Exec || ofNoFile(m)
	})
}

// mainFirst moves the mappings of the main binary to the front: the first mapping of a pprof
// profile names the program.
func mainFirst(p *proc.Process, maps []proc.Mapping) []proc.Mapping {
	exe := slices.IndexFunc(maps, p.IsExe)
	if exe < 0 {
		return maps
	}
	id := identify(maps[exe])
	slices.SortStableFunc(maps, func(a, b proc.Mapping) int {
		return cmp.Compare(boolRank(identify(a) != id), boolRank(identify(b) != id))
	})
	return maps
}

func boolRank(b bool) int {
	if b {
		return 1
	}
	return 0
}

func identify(m proc.Mapping) identity { return identity{m.Dev, m.Inode, m.Path} }

// adopt makes maps the regions of now. Regions that are gone still resolve, behind the new ones:
// samples arrive late.
func (s *Symbolizer) adopt(maps []proc.Mapping) {
	old := make(map[proc.Mapping]region, len(s.regions))
	for _, r := range s.regions {
		old[r.Mapping] = r
	}
	last := s.regions
	s.regions = make([]region, 0, len(maps))
	for _, m := range maps {
		if r, ok := old[m]; ok {
			s.regions = append(s.regions, r)
			delete(old, m)
		} else if len(s.mappings) < maxMappings {
			s.regions = append(s.regions, s.newRegion(m))
		}
	}
	for _, r := range last {
		if _, gone := old[r.Mapping]; gone {
			s.former = append(s.former, r)
		}
	}
	slices.SortFunc(s.regions, func(a, b region) int { return cmp.Compare(a.Start, b.Start) })
}

func (s *Symbolizer) newRegion(m proc.Mapping) region {
	obj := s.object(m)
	return region{Mapping: m, obj: obj, bias: obj.bias(m.Start, m.Offset), index: s.addMapping(Mapping{
		Start: m.Start, Limit: m.End, Offset: m.Offset, File: m.Path, BuildID: obj.buildID, Kind: obj.kind,
	})}
}

func (s *Symbolizer) addMapping(m Mapping) int {
	s.mappings = append(s.mappings, m)
	return len(s.mappings) - 1
}

// object opens the file of a mapping, once.
func (s *Symbolizer) object(m proc.Mapping) *object {
	id := identify(m)
	if o := s.objects[id]; o != nil {
		return o
	}
	o, err := s.open(m)
	if err != nil {
		s.warn("%v", err)
	}
	s.objects[id] = o
	return o
}

func (s *Symbolizer) open(m proc.Mapping) (*object, error) {
	unread := unreadObject(m.Path)
	if m.Path == "[vdso]" {
		return openVDSO(s.p, m)
	}
	if m.Path[0] != '/' { // [vsyscall], [uprobes]
		return unread, nil
	}
	if a := s.o.Ahead; a != nil && m.Of(a.object.file) {
		return a.object, a.err
	}
	if len(s.objects) >= maxObjects {
		return unread, fmt.Errorf("symbolize: %s: more than %d files are mapped: not opened", m.Path, maxObjects)
	}
	f, err := s.p.OpenMapping(m)
	if err != nil {
		if s.beginsWithCode(m) {
			unread.kind, err = JIT, nil
		}
		return unread, err
	}
	o, err := newObject(m.Path, f)
	o.file = f
	if o.elf == nil && isMemfd(m) {
		o.kind, err = JIT, nil
	}
	return o, err
}

// region returns the region of a user address, or nil.
func (s *Symbolizer) region(pc uint64) *region {
	i := sort.Search(len(s.regions), func(i int) bool { return s.regions[i].End > pc })
	if i < len(s.regions) && s.regions[i].Start <= pc {
		return &s.regions[i]
	}
	for i := len(s.former) - 1; i >= 0; i-- {
		if r := &s.former[i]; r.Start <= pc && pc < r.End {
			return r
		}
	}
	return nil
}

// refresh reads the mappings again, not too often, and reports whether it did.
func (s *Symbolizer) refresh() bool {
	now := s.now()
	if maps := s.young.take(); maps != nil {
		s.generated = anonymous(maps)
		s.adopt(executable(maps))
		return true
	}
	if now.Sub(s.refreshed) < refreshEvery {
		return false
	}
	s.refreshed = now
	maps, err := s.p.Maps()
	if err != nil || len(maps) == 0 {
		return false // it has ended: what we know is all there will be
	}
	s.generated = anonymous(maps)
	s.adopt(executable(maps))
	return true
}
