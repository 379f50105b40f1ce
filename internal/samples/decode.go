package samples

import (
	"encoding/binary"
	"fmt"
	"iter"

	"github.com/google/pprof/profile"
)

// decoder reads samples in profile.proto's encoding, one after the other into the same Sample: package
// profile keeps a kilobyte for each. All else of a profile is package profile's to read.
type decoder struct {
	strings []string
	dense   []place // by id, where ids are as small as nearly all writers make them
	sparse  map[uint64]place
	units   map[uint64][]string // a unit alone, by its number: nearly all numbers have one or none
	values  int
	sample  profile.Sample
	numbers []int32 // of the sample's locations
	frames  int     // of the sample
	all     frames
	err     error
}

// place is what is to be known of a location at each of its samples: the location itself need not be looked at.
type place struct {
	l      *profile.Location
	number int32
	lines  int32
}

func newDecoder(head *profile.Profile, strings []string) *decoder {
	d := &decoder{strings: strings, sparse: make(map[uint64]place), units: make(map[uint64][]string), values: len(head.SampleType)}
	d.dense = make([]place, 2*len(head.Location)+1)
	for i, l := range head.Location {
		at := place{l, int32(i), int32(len(l.Line))}
		if l.ID < uint64(len(d.dense)) {
			d.dense[l.ID] = at
		} else {
			d.sparse[l.ID] = at
		}
	}
	d.sample.Label, d.sample.NumLabel, d.sample.NumUnit = make(map[string][]string), make(map[string][]int64), make(map[string][]string)
	return d
}

// each yields the samples of a message; it ends at the first error. A sample is valid until the next.
func (d *decoder) each(b []byte) iter.Seq2[*profile.Sample, []int32] {
	return func(yield func(*profile.Sample, []int32) bool) {
		rest := b
		d.all = 0
		for len(rest) > 0 && d.err == nil {
			var f field
			if f, rest = d.field(rest); d.err != nil || f.number != fieldSample {
				continue
			}
			d.reset()
			d.read(f.bytes)
			if d.err == nil {
				d.err = d.all.add(d.frames)
			}
			if d.err == nil && !yield(&d.sample, d.numbers) {
				return
			}
		}
	}
}

func (d *decoder) reset() {
	s := &d.sample
	s.Location, s.Value = s.Location[:0], s.Value[:0]
	d.numbers, d.frames = d.numbers[:0], 0
	clear(s.Label)
	clear(s.NumLabel)
	clear(s.NumUnit)
}

// field is one field of a message.
type field struct {
	number uint64
	packed bool // bytes hold the value, else value does
	value  uint64
	bytes  []byte
}

// field splits the first field off b.
func (d *decoder) field(b []byte) (f field, rest []byte) {
	tag, b := d.varint(b)
	f.number = tag >> 3
	switch tag & 7 {
	case 0:
		f.value, b = d.varint(b)
	case 2:
		var n uint64
		n, b = d.varint(b)
		if n > uint64(len(b)) {
			d.fail("a field is longer than its message")
			return f, nil
		}
		f.packed, f.bytes, b = true, b[:n], b[n:]
	default:
		d.fail("a field of unknown kind")
		return f, nil
	}
	return f, b
}

func (d *decoder) varint(b []byte) (uint64, []byte) {
	v, n := binary.Uvarint(b)
	if n <= 0 {
		d.fail("a number without end")
		return 0, nil
	}
	return v, b[n:]
}

func (d *decoder) fail(why string) {
	if d.err == nil {
		d.err = fmt.Errorf("%w: sample: %s", ErrNotProfile, why)
	}
}

// repeated calls do with each number of a repeated field, packed or not.
func (d *decoder) repeated(f field, do func(uint64)) {
	if !f.packed {
		do(f.value)
		return
	}
	for b := f.bytes; len(b) > 0 && d.err == nil; {
		var v uint64
		if v, b = d.varint(b); d.err == nil {
			do(v)
		}
	}
}

func (d *decoder) read(b []byte) {
	for len(b) > 0 && d.err == nil {
		var f field
		f, b = d.field(b)
		switch {
		case d.err != nil:
		case f.number == 1:
			d.repeated(f, d.location)
		case f.number == 2:
			d.repeated(f, d.value)
		case f.number == 3 && f.packed:
			d.label(f.bytes)
		}
	}
	if d.err == nil && len(d.sample.Value) != d.values {
		d.fail("wrong number of values")
	}
}

func (d *decoder) location(id uint64) {
	var at place
	if id < uint64(len(d.dense)) {
		at = d.dense[id]
	} else {
		at = d.sparse[id]
	}
	if at.l == nil {
		d.fail("no such location")
		return
	}
	d.sample.Location, d.numbers = append(d.sample.Location, at.l), append(d.numbers, at.number)
	d.frames += int(at.lines)
}

func (d *decoder) value(v uint64) {
	if int64(v) < 0 && d.err == nil {
		d.err = errNegative
	}
	d.sample.Value = append(d.sample.Value, int64(v))
}

// label takes a label up as package profile does: what has neither a text nor a number nor a unit is none.
func (d *decoder) label(b []byte) {
	var key, text string
	var num int64
	var unit uint64
	isText := false
	for len(b) > 0 && d.err == nil {
		var f field
		switch f, b = d.field(b); f.number {
		case 1:
			key = d.text(f.value)
		case 2:
			text, isText = d.text(f.value), f.value != 0
		case 3:
			num = int64(f.value)
		case 4:
			unit = f.value
		}
	}
	switch {
	case isText:
		d.sample.Label[key] = append(d.sample.Label[key], text)
	case num != 0 || unit != 0:
		if unit != 0 {
			d.unit(key, unit)
		}
		d.sample.NumLabel[key] = append(d.sample.NumLabel[key], num)
	}
}

// unit is that of the next number of a label. Those before may have none.
func (d *decoder) unit(key string, unit uint64) {
	alone, ok := d.units[unit]
	if !ok {
		alone = []string{d.text(unit)}
		d.units[unit] = alone
	}
	n := len(d.sample.NumLabel[key])
	if n == 0 {
		d.sample.NumUnit[key] = alone
		return
	}
	units := d.sample.NumUnit[key]
	for len(units) < n {
		units = append(units, "")
	}
	d.sample.NumUnit[key] = append(units, alone[0])
}

func (d *decoder) text(i uint64) string {
	if i >= uint64(len(d.strings)) {
		d.fail("no such string")
		return ""
	}
	return d.strings[i]
}

// The fields of profile.proto's outermost message that matter here.
const (
	fieldSample   = 2
	fieldLocation = 4
	fieldString   = 6
	fieldComment  = 13
)
