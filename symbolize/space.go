package symbolize

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sort"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/proc"
)

const (
	// refreshEvery bounds how often the mappings are read again for addresses that are in none.
	refreshEvery = 200 * time.Millisecond
	// maxObjects bounds the files that are kept open for one process.
	maxObjects = 512
	// maxMappings bounds what is remembered of a process that maps code without end.
	maxMappings = 1 << 16
)

// space is what a process has mapped: its code by address, and the files of it.
type space struct {
	p      *proc.Process
	memory *proc.Space // of the program whose addresses are asked for: the process may have another one by now
	opened bool        // by us
	ahead  *Ahead      // nil: no file was read before the process had mapped it
	now    func() time.Time

	regions   []region // executable mappings, ascending
	former    []region // those that the process has had, newest last
	generated spans    // memory of no file that is executable

	mappings []Mapping
	objects  map[identity]*object
	warnings warnings

	refreshed time.Time
	young     *young // nil: not started a moment ago
}

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

// load reads the mappings for the first time, and opens their files.
func (s *space) load() error {
	maps, err := s.first()
	if gone := errors.Is(err, proc.ErrNoProcess) || err == nil && len(maps) == 0; gone && s.ahead != nil {
		s.warnings.add("the process ended before its mappings could be read: only its own code is known, if that has fixed addresses")
		maps, err = s.ahead.mappings(), nil
	}
	if err != nil {
		return err
	}
	s.refreshed = s.now()
	if s.ahead != nil {
		s.young = watch(s.memory)
	}
	s.generated = anonymous(maps)
	s.adopt(mainFirst(s.p, executable(maps)))
	if len(s.mappings) > 0 && s.mappings[0].Kind == C && !slices.ContainsFunc(s.mappings, func(m Mapping) bool { return m.Kind == Go }) {
		s.warnings.add("%s: not a Go binary: frames have no lines and no inlined calls", s.mappings[0].File)
	}
	return nil
}

// first opens the memory, if that is not done, and reads its mappings.
func (s *space) first() (maps []proc.Mapping, err error) {
	if s.memory == nil {
		if s.memory, err = s.p.Space(); err != nil {
			return nil, err
		}
		s.opened = true
	}
	return s.memory.Maps()
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
func (s *space) adopt(maps []proc.Mapping) {
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

func (s *space) newRegion(m proc.Mapping) region {
	obj := s.object(m)
	return region{Mapping: m, obj: obj, bias: obj.bias(m.Start, m.Offset), index: s.addMapping(Mapping{
		Start: m.Start, Limit: m.End, Offset: m.Offset, File: m.Path, BuildID: obj.buildID, Kind: obj.kind,
	})}
}

func (s *space) addMapping(m Mapping) int {
	s.mappings = append(s.mappings, m)
	return len(s.mappings) - 1
}

// object opens the file of a mapping, once.
func (s *space) object(m proc.Mapping) *object {
	id := identify(m)
	if o := s.objects[id]; o != nil {
		return o
	}
	o, err := s.open(m)
	if err != nil {
		s.warnings.add("%v", err)
	}
	s.objects[id] = o
	return o
}

func (s *space) open(m proc.Mapping) (*object, error) {
	unread := unreadObject(m.Path)
	if m.Path == "[vdso]" {
		return openVDSO(s.p, m)
	}
	if m.Path[0] != '/' { // [vsyscall], [uprobes]
		return unread, nil
	}
	if a := s.ahead; a != nil && m.Of(a.object.file) {
		return a.object, a.err
	}
	if len(s.objects) >= maxObjects {
		return unread, fmt.Errorf("symbolize: %s: more than %d files are mapped: not opened", m.Path, maxObjects)
	}
	f, err := s.p.OpenMapping(m)
	if err != nil {
		if beginsWithCode(s.p, m) {
			unread.kind, err = JIT, nil
		}
		return unread, err
	}
	o, err := openFiles.open(m.Path, f)
	if o.elf == nil && isMemfd(m) {
		o.kind, err = JIT, nil
	}
	return o, err
}

// region returns the region of a user address, or nil.
func (s *space) region(pc uint64) *region {
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
func (s *space) refresh() bool {
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
	maps, err := s.memory.Maps()
	if err != nil || len(maps) == 0 {
		return false // the program is over: what we know is all there will be
	}
	s.generated = anonymous(maps)
	s.adopt(executable(maps))
	return true
}

// close closes all files.
func (s *space) close() (first error) {
	s.young.stop()
	if s.opened {
		first = s.memory.Close()
	}
	if s.ahead != nil {
		first = cmp.Or(first, s.ahead.Close())
	}
	for _, o := range s.objects {
		if s.ahead != nil && o == s.ahead.object {
			continue
		}
		if err := o.close(); err != nil && first == nil {
			first = err
		}
	}
	return first
}
