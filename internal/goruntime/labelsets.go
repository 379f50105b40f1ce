package goruntime

import (
	"encoding/binary"
	"hash/maphash"
	"io"
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"
	"weak"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// LabelSet is an immutable set of labels, as much of it as is kept.
type LabelSet struct {
	Labels    []sample.Label
	Truncated bool // the target's set has more labels, or longer ones
}

// LabelSets keeps label sets, equal ones once, whatever their address in the target: a set that 20,000
// goroutines inherited takes the memory of one. Small ones are few in most programs, or unique to a request,
// and keeping those gains nothing: when there are too many all are forgotten. Large ones are found again for as
// long as anybody has their text, and when all that are alive together take more than maxLargeText, further
// ones are cut to smallText. It is for one goroutine at a time.
type LabelSets struct {
	known map[string]*LabelSet // by text
	held  int                  // bytes of known
	large map[uint64]largeText // by hash of the text
	purge int                  // length of large at which dead ones are looked for
	alive *atomic.Int64        // bytes of large texts
	limit int64                // of alive
	seed  maphash.Seed

	collected time.Time

	text   []byte // of the set that is being made
	cut    []RawLabel
	reader labelReader
}

// largeText is a string that is kept by who has a part of it.
type largeText struct {
	data weak.Pointer[byte]
	n    int
}

const (
	smallText    = 1 << 10 // bytes of a set's keys and values
	maxLargeText = 8 << 20 // of all larger sets together
	maxKnown     = 1 << 20 // bytes of sets in known
	setCost      = 192     // bytes of a set besides text and labels
	headSize     = 4       // bytes of text before each key and value: its length
)

// NewLabelSets returns an empty table.
func NewLabelSets() *LabelSets {
	return &LabelSets{
		known: make(map[string]*LabelSet), large: make(map[uint64]largeText), purge: 64,
		alive: new(atomic.Int64), limit: maxLargeText, seed: maphash.MakeSeed(),
	}
}

// Read reads the label set that the word g.labels points to, from the target's memory (an offset in mem is an
// address). No labels, 0, is an empty set. Labels of Go >= 1.24 come in the set's own order, those of older
// versions, which keep them in a map, sorted by key. A value that is too long is cut between two characters.
//
// A set may change hands while it is read: see Grace, or compare goid and g.labels before and after.
// The error wraps ErrLabels or what mem returned.
func (s *LabelSets) Read(mem io.ReaderAt, l *Layout, labels uint64) (*LabelSet, error) {
	truncated, err := s.reader.read(mem, l, labels)
	if err != nil {
		return nil, err
	}
	return s.Intern(s.reader.set, truncated), nil
}

// Intern returns the set of the given labels. truncated says that the target's set has more. Nothing of raw is
// kept.
func (s *LabelSets) Intern(raw []RawLabel, truncated bool) *LabelSet {
	s.pack(raw, truncated)
	if set := s.known[string(s.text)]; set != nil {
		return set
	}
	text, ok := s.keep(smallText + 2*headSize*len(raw))
	if !ok {
		s.cut = shorten(append(s.cut[:0], raw...), smallText)
		return s.Intern(s.cut, true)
	}
	set := &LabelSet{Labels: unpack(text, len(raw)), Truncated: truncated}
	cost := setCost + len(text) + len(set.Labels)*int(unsafe.Sizeof(sample.Label{}))
	if s.held += cost; s.held > maxKnown {
		clear(s.known)
		s.held = cost
	}
	s.known[text] = set
	return set
}

// pack writes keys and values, each behind its length, into s.text. One byte more marks a truncated set.
func (s *LabelSets) pack(raw []RawLabel, truncated bool) {
	b := s.text[:0]
	for i := range raw {
		b = append(binary.LittleEndian.AppendUint32(b, uint32(len(raw[i].Key))), raw[i].Key...)
		b = append(binary.LittleEndian.AppendUint32(b, uint32(len(raw[i].Value))), raw[i].Value...)
	}
	if truncated {
		b = append(b, 0)
	}
	s.text = b
}

// unpack makes labels that are parts of the text.
func unpack(text string, n int) []sample.Label {
	next := func() (part string) {
		end := headSize + binary.LittleEndian.Uint32([]byte(text[:headSize]))
		part, text = text[headSize:end], text[end:]
		return part
	}
	labels := make([]sample.Label, n)
	for i := range labels {
		labels[i].Key = next()
		labels[i].Value = next()
	}
	return labels
}

// keep returns s.text as a string, the one that is in use already where there is one. ok is false if it is not
// small and there is no room for it.
func (s *LabelSets) keep(small int) (text string, ok bool) {
	n := len(s.text)
	if n <= small+1 {
		return string(s.text), true
	}
	h := maphash.Bytes(s.seed, s.text)
	if e := s.large[h]; e.n == n {
		if p := e.data.Value(); p != nil && unsafe.String(p, n) == string(s.text) {
			return unsafe.String(p, n), true
		}
	}
	if s.alive.Load()+int64(n) > s.limit {
		s.collect()
		return "", false
	}
	text = string(s.text)
	data := unsafe.StringData(text)
	s.alive.Add(int64(n))
	runtime.AddCleanup(data, func(n int64) { s.alive.Add(-n) }, int64(n))
	s.large[h] = largeText{weak.Make(data), n}
	s.forgetDead()
	return text, true
}

// collect has the garbage collector find out what is dead of the large texts, at most once a second.
func (s *LabelSets) collect() {
	if now := time.Now(); now.Sub(s.collected) > time.Second {
		s.collected = now
		go runtime.GC()
	}
}

// forgetDead drops the entries whose text nobody has any more, now and then.
func (s *LabelSets) forgetDead() {
	if len(s.large) < s.purge {
		return
	}
	for h, e := range s.large {
		if e.data.Value() == nil {
			delete(s.large, h)
		}
	}
	s.purge = max(64, 2*len(s.large))
}

// shorten drops what is beyond n bytes of keys and values.
func shorten(raw []RawLabel, n int) []RawLabel {
	for i := range raw {
		if n -= len(raw[i].Key); n < 0 {
			return raw[:i]
		}
		raw[i].Value = cutText(raw[i].Value, n)
		n -= len(raw[i].Value)
	}
	return raw
}
