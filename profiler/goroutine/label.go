package goroutine

import (
	"encoding/binary"
	"errors"
	"unsafe"

	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// A goroutine keeps its label set alive and never writes to it. So what (goid, g.labels) named once
// it names for ever, and a set is true if the g still has both after its last byte was read. The
// pointer alone is no name: memory is used again.
//
// Sets of Go 1.24 and later are read for many goroutines at once: all headers, all lists, all
// strings, three system calls in all. Larger ones, and the maps of older versions, are read one by
// one.

const (
	batchLabels = 64       // labels of a set that is read with others
	batchText   = 16 << 10 // bytes of their keys and values
	maxSetBytes = 1 << 20  // of distinct sets remembered
	setCost     = 192      // bytes of a set besides text and labels
)

// labelSet is an immutable set of labels.
type labelSet struct {
	labels    []sample.Label
	truncated bool
}

type labelReader struct {
	todo  []*job
	heads []byte // 24 bytes a job: pointer, length, capacity
	lists []byte // 32 bytes a label: two strings
	count []int  // labels of each job, 0: left to slow
	text  []byte
	check []byte // 16 bytes a job: goid, g.labels
	key   []byte
	known map[string]*labelSet
	held  int // bytes of known
}

// readLabels reads the sets that jobs are owed.
func (s *scanner) readLabels() {
	r := &s.labels
	r.todo = r.todo[:0]
	for i := range s.jobs {
		if j := &s.jobs[i]; j.owed && !j.seen.late {
			r.todo = append(r.todo, j)
		}
	}
	if len(r.todo) == 0 {
		return
	}
	if s.l.Labels == goruntime.LabelsSlice && s.batchHeads() == nil && s.batchLists() == nil {
		s.batchTexts()
	}
	for _, j := range r.todo {
		if j.owed {
			s.slowLabels(j)
		}
	}
	clear(r.todo)
}

// batchHeads reads the slice headers.
func (s *scanner) batchHeads() error {
	r := &s.labels
	r.heads = grow(r.heads, 24*len(r.todo))
	s.pieces = s.pieces[:0]
	for i, j := range r.todo {
		s.pieces = append(s.pieces, proc.Piece{Addr: j.labels, Buf: r.heads[24*i : 24*i+24]})
	}
	err := s.mem.Gather(s.pieces)
	r.count = r.count[:0]
	total := 0
	for i := range r.todo {
		n := word(r.heads, 24*i+8)
		if !s.pieces[i].OK || n > word(r.heads, 24*i+16) || n > batchLabels {
			n = 0
		}
		r.count = append(r.count, int(n))
		total += int(n)
	}
	r.lists = grow(r.lists, 32*total)
	return err
}

// batchLists reads the keys' and values' addresses and lengths.
func (s *scanner) batchLists() error {
	r := &s.labels
	s.pieces = s.pieces[:0]
	off := 0
	for i, n := range r.count {
		s.pieces = append(s.pieces, proc.Piece{Addr: word(r.heads, 24*i), Buf: r.lists[off : off+32*n]})
		off += 32 * n
	}
	err := s.mem.Gather(s.pieces)
	off = 0
	kept := 0
	for i, n := range r.count {
		list := r.lists[off : off+32*n]
		off += 32 * n
		if !s.pieces[i].OK || textLen(list) < 0 {
			r.count[i] = 0
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

// batchTexts reads the strings, then goid and pointer once more, and makes the sets.
func (s *scanner) batchTexts() {
	r := &s.labels
	all := 0
	for _, n := range r.count {
		all += n
	}
	r.text = grow(r.text, textSum(r.lists[:32*all]))
	r.check = grow(r.check, 16*len(r.todo))
	s.pieces = s.pieces[:0]
	off := 0
	for o := 0; o < 32*all; o += 16 {
		n := int(word(r.lists, o+8))
		s.pieces = append(s.pieces, proc.Piece{Addr: word(r.lists, o), Buf: r.text[off : off+n]})
		off += n
	}
	strings := len(s.pieces)
	for i, j := range r.todo {
		s.pieces = s.recheck(s.pieces, j, r.check[16*i:])
	}
	if s.mem.Gather(s.pieces) != nil {
		return
	}
	at := 0
	for i, j := range r.todo {
		ps := s.pieces[at : at+2*r.count[i]]
		at += len(ps)
		if len(ps) > 0 && s.still(j, s.pieces[strings+2*i:], r.check[16*i:]) && allOK(ps) {
			j.seen.set, j.owed = r.intern(ps), false
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

// recheck appends the pieces that read goid and g.labels into b.
func (s *scanner) recheck(ps []proc.Piece, j *job, b []byte) []proc.Piece {
	return append(ps, proc.Piece{Addr: j.s.addr + uint64(s.f.goid), Buf: b[:8]}, proc.Piece{Addr: j.s.addr + uint64(s.f.labels), Buf: b[8:16]})
}

// still says whether what recheck read is what it was.
func (s *scanner) still(j *job, ps []proc.Piece, b []byte) bool {
	return ps[0].OK && ps[1].OK && word(b, 0) == j.key.goid && word(b, 8) == j.labels
}

// intern returns the set of which ps are the keys and values, a new one if it is not known.
func (r *labelReader) intern(ps []proc.Piece) *labelSet {
	r.key = r.key[:0]
	for i := range ps {
		r.key = binary.LittleEndian.AppendUint32(r.key, uint32(len(ps[i].Buf)))
		r.key = append(r.key, ps[i].Buf...)
	}
	if set := r.known[string(r.key)]; set != nil {
		return set
	}
	key := string(r.key)
	text := key
	set := &labelSet{labels: make([]sample.Label, len(ps)/2)}
	next := func(i int) (part string) {
		n := len(ps[i].Buf)
		part, text = text[4:4+n], text[4+n:]
		return part
	}
	for i := range set.labels {
		set.labels[i].Key = next(2 * i)
		set.labels[i].Value = next(2*i + 1)
	}
	r.remember(key, set)
	return set
}

// remember keeps a set. Slots keep those that their goroutines have: with a set of its own for each request
// nothing is gained by more of them here.
func (r *labelReader) remember(key string, set *labelSet) {
	if r.known == nil {
		r.known = make(map[string]*labelSet)
	}
	cost := setCost + len(key) + len(set.labels)*int(unsafe.Sizeof(sample.Label{}))
	if r.held += cost; r.held > maxSetBytes {
		clear(r.known)
		r.held = cost
	}
	r.known[key] = set
}

// slowLabels reads one set on its own.
func (s *scanner) slowLabels(j *job) {
	labels, err := goruntime.ReadLabels(s.mem, s.l, j.labels)
	var check [16]byte
	s.pieces = s.recheck(s.pieces[:0], j, check[:])
	truncated := errors.Is(err, goruntime.ErrTruncated)
	if s.mem.Gather(s.pieces) != nil || !s.still(j, s.pieces, check[:]) || err != nil && !truncated {
		s.stats.LabelsDropped++
		return
	}
	j.owed = false
	if len(labels) > 0 {
		j.seen.set = &labelSet{labels: labels, truncated: truncated}
	}
}
