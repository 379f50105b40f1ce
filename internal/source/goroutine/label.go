package goroutine

import (
	"errors"

	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/internal/proc"
)

// A label set never changes, and its memory is not used again before a later mark phase of the target's
// collector has ended (goruntime.Grace). So what g.labels pointed to when the g was read can be read some
// hundred microseconds later, for many goroutines at once, and is true even if the goroutine has ended
// meanwhile. As long as that holds, one reading does for all goroutines that have the pointer. Where it does
// not, goid and g.labels are read once more: who still has its set has kept it alive.
//
// Sets of Go 1.24 and later are read together: all headers, all lists, all strings, three system calls in
// all. Larger ones, and the maps of older versions, are read one by one.

const (
	batchLabels = 64       // labels of a set that is read with others
	batchText   = 16 << 10 // bytes of their keys and values
	maxRecent   = 1 << 14  // addresses of sets that are remembered
)

// noSet stands for what g.labels points to and is no label set.
var noSet = new(labelSet)

// labelReader reads the label sets of jobs.
type labelReader struct {
	mem    *memory
	sets   *goruntime.LabelSets
	recent map[uint64]recentSet // by address

	jobs   []job
	pieces []proc.Piece
	todo   []todo
	index  map[uint64]int // of todo, by address
	heads  []byte         // 24 bytes a set: pointer, length, capacity
	lists  []byte         // 32 bytes a label: two strings
	text   []byte
	raw    []goruntime.RawLabel
	doubt  []int  // jobs whose grace is over
	check  []byte // 16 bytes a job in doubt: goid, g.labels
}

// recentSet is a set that is at its address still, while the grace lasts.
type recentSet struct {
	set   *labelSet
	grace goruntime.Grace
}

// todo is an address to read at.
type todo struct {
	addr  uint64
	count int       // labels that are read with others; 0: slowLabels has to
	set   *labelSet // nil: there is none
	done  bool
}

func newLabelReader(m *memory) *labelReader {
	return &labelReader{mem: m, sets: goruntime.NewLabelSets(), recent: make(map[uint64]recentSet), index: make(map[uint64]int)}
}

// read reads the sets that are pending for jobs.
func (r *labelReader) read(jobs []job) {
	r.jobs = jobs
	r.recall()
	r.todo = r.todo[:0]
	for i := range r.jobs {
		j := &r.jobs[i]
		if _, ok := r.index[j.labels]; !ok && j.wantsLabels() {
			r.index[j.labels] = len(r.todo)
			r.todo = append(r.todo, todo{addr: j.labels})
		}
	}
	if len(r.todo) == 0 {
		return
	}
	if r.mem.l.Labels == goruntime.LabelsSlice && r.batchHeads() == nil && r.batchLists() == nil {
		r.batchTexts()
	}
	for i := range r.todo {
		if t := &r.todo[i]; !t.done {
			r.slowLabels(t)
		}
	}
	r.settle()
	clear(r.todo)
	clear(r.index)
}

// recall gives out the sets that were read lately.
func (r *labelReader) recall() {
	asked := false
	for i := range r.jobs {
		j := &r.jobs[i]
		if !j.wantsLabels() {
			continue
		}
		e, ok := r.recent[j.labels]
		if !ok {
			continue
		}
		if !asked {
			r.mem.readSweeps()
			asked = true
		}
		if r.mem.sweeps.cover(e.grace) {
			r.deliver(j, e.set, e.grace.Longest(j.grace))
		}
	}
}

// deliver gives a job its set, which is at its address for as long as the grace lasts.
func (r *labelReader) deliver(j *job, set *labelSet, grace goruntime.Grace) {
	j.pending = false
	if j.seen.set = set; set == noSet && (j.s.set != noSet || j.s.setGoid != j.key.goid) {
		r.mem.stats.LabelsForeign++
	}
	if _, ok := r.recent[j.labels]; !ok && len(r.recent) >= maxRecent {
		r.forget()
	}
	r.recent[j.labels] = recentSet{set, grace}
}

// forget makes room in recent: what may be somewhere else by now goes, and if that is little, all does.
func (r *labelReader) forget() {
	for addr, e := range r.recent {
		if !r.mem.sweeps.cover(e.grace) {
			delete(r.recent, addr)
		}
	}
	if len(r.recent) > maxRecent/2 {
		clear(r.recent)
	}
}

// settle delivers what was read to those whose it is.
func (r *labelReader) settle() {
	r.mem.readSweeps() // after the last byte
	r.doubt = r.doubt[:0]
	for i := range r.jobs {
		j := &r.jobs[i]
		if !j.wantsLabels() {
			continue
		}
		if t := &r.todo[r.index[j.labels]]; t.done && r.mem.sweeps.cover(j.grace) {
			r.deliver(j, t.set, j.grace)
		} else {
			r.doubt = append(r.doubt, i)
		}
	}
	r.recheck()
}

// recheck reads goid and g.labels of the jobs in doubt once more: if they are what they were, so is the set.
func (r *labelReader) recheck() {
	if len(r.doubt) == 0 {
		return
	}
	grace := r.mem.sweeps.grace
	r.check = grow(r.check, 16*len(r.doubt))
	r.pieces = r.pieces[:0]
	for n, i := range r.doubt {
		g, b := r.jobs[i].s.addr, r.check[16*n:]
		r.pieces = append(r.pieces, proc.Piece{Addr: g + uint64(r.mem.f.goid), Buf: b[:8]},
			proc.Piece{Addr: g + uint64(r.mem.f.labels), Buf: b[8:16]})
	}
	err := r.mem.Gather(r.pieces)
	for n, i := range r.doubt {
		j, b := &r.jobs[i], r.check[16*n:]
		still := err == nil && r.pieces[2*n].OK && r.pieces[2*n+1].OK && word(b, 0) == j.key.goid && word(b, 8) == j.labels
		if t := &r.todo[r.index[j.labels]]; t.done && still {
			r.deliver(j, t.set, grace)
		} else {
			r.mem.stats.LabelsLost++
		}
	}
}

// batchHeads reads the slice headers.
func (r *labelReader) batchHeads() error {
	r.heads = grow(r.heads, 24*len(r.todo))
	r.pieces = r.pieces[:0]
	for i := range r.todo {
		r.pieces = append(r.pieces, proc.Piece{Addr: r.todo[i].addr, Buf: r.heads[24*i : 24*i+24]})
	}
	err := r.mem.Gather(r.pieces)
	total := 0
	for i := range r.todo {
		n := word(r.heads, 24*i+8)
		if !r.pieces[i].OK || n > word(r.heads, 24*i+16) || n > batchLabels {
			n = 0
		}
		r.todo[i].count = int(n)
		total += int(n)
	}
	r.lists = grow(r.lists, 32*total)
	return err
}

// batchLists reads the keys' and values' addresses and lengths.
func (r *labelReader) batchLists() error {
	r.pieces = r.pieces[:0]
	off := 0
	for i := range r.todo {
		n := 32 * r.todo[i].count
		r.pieces = append(r.pieces, proc.Piece{Addr: word(r.heads, 24*i), Buf: r.lists[off : off+n]})
		off += n
	}
	err := r.mem.Gather(r.pieces)
	kept := 0
	for i := range r.todo {
		list := r.pieces[i].Buf
		if !r.pieces[i].OK || textLen(list) < 0 {
			r.todo[i].count = 0
			continue
		}
		kept += copy(r.lists[kept:], list)
	}
	return err
}

// textLen is the length of all strings in a list, -1 when that is too much.
func textLen(list []byte) int {
	total := uint64(0)
	for o := 8; o < len(list); o += 16 {
		n := word(list, o)
		if n > batchText {
			return -1
		}
		total += n
	}
	if total > batchText {
		return -1
	}
	return int(total)
}

// batchTexts reads the strings and makes the sets.
func (r *labelReader) batchTexts() {
	all := 0
	for i := range r.todo {
		all += r.todo[i].count
	}
	r.text = grow(r.text, textSum(r.lists[:32*all]))
	r.pieces = r.pieces[:0]
	off := 0
	for o := 0; o < 32*all; o += 16 {
		n := int(word(r.lists, o+8))
		r.pieces = append(r.pieces, proc.Piece{Addr: word(r.lists, o), Buf: r.text[off : off+n]})
		off += n
	}
	if r.mem.Gather(r.pieces) != nil {
		return
	}
	at := 0
	for i := range r.todo {
		t := &r.todo[i]
		ps := r.pieces[at : at+2*t.count]
		at += len(ps)
		if len(ps) > 0 && allOK(ps) {
			t.set, t.done = r.intern(ps), true
		}
	}
}

func textSum(lists []byte) (n int) {
	for o := 8; o < len(lists); o += 16 {
		n += int(word(lists, o))
	}
	return n
}

func allOK(ps []proc.Piece) bool {
	for i := range ps {
		if !ps[i].OK {
			return false
		}
	}
	return true
}

// intern returns the set of which ps are the keys and values.
func (r *labelReader) intern(ps []proc.Piece) *labelSet {
	r.raw = r.raw[:0]
	for i := 0; i < len(ps); i += 2 {
		r.raw = append(r.raw, goruntime.RawLabel{Key: ps[i].Buf, Value: ps[i+1].Buf})
	}
	return r.sets.Intern(r.raw, false)
}

// slowLabels reads one set on its own.
func (r *labelReader) slowLabels(t *todo) {
	set, err := r.sets.Read(r.mem, r.mem.l, t.addr)
	switch {
	case errors.Is(err, goruntime.ErrLabels), errors.Is(err, proc.ErrFault):
		t.set, t.done = noSet, true
	case err == nil && len(set.Labels) > 0:
		t.set, t.done = set, true
	case err == nil:
		t.done = true
	}
}
