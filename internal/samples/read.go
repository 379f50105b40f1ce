// Package samples reads pprof files that come from anywhere: in bounded memory, and sample by sample, because
// package profile keeps a kilobyte for each.
package samples

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/google/pprof/profile"
)

// A profile comes from anywhere: an artifact of another job, a download. A few kilobytes of gzip can
// claim gigabytes, and a few bytes of protobuf can ask for hundreds in memory. So the messages
// are counted while they are decompressed, and what is too large is refused before it is there.
const (
	maxCost   = 1 << 30 // bytes that the profile may take in memory, as cost.go estimates them
	maxStack  = 1 << 14 // locations of a sample,
	maxLines  = 512     // lines of a location,
	maxLabels = 256     // labels of a sample,
	maxValues = 64      // values of a sample
	maxFrames = 1 << 16 // lines of all locations of a sample,
	maxVisits = 1 << 28 // and of all samples: what it takes to look at each once
)

// Errors of Read, wrapped.
var (
	ErrTooLarge   = errors.New("too large")
	ErrNotProfile = errors.New("not a pprof profile")
)

// Read reads a profile in profile.proto's encoding, compressed or not. The name is for messages. Its
// memory is bounded whatever r holds. Errors are one line.
func Read(r io.Reader, name string) (*profile.Profile, error) { return new(Budget).Read(r, name) }

// DefaultMost is how many bytes of memory profiles may take, as far as they can be estimated.
const DefaultMost = maxCost

// Budget bounds what profiles take that are in memory together. Its zero value is DefaultMost.
type Budget struct {
	Most  int64 // bytes; 0 is DefaultMost
	spent int64
}

// Read reads as the function does, and counts what was read before.
func (b *Budget) Read(r io.Reader, name string) (*profile.Profile, error) {
	p, err := b.read(r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return p, nil
}

func (b *Budget) read(r io.Reader) (*profile.Profile, error) {
	s := &scan{keep: true, before: b.spent, most: b.Most}
	if err := s.open(r); err != nil {
		return nil, err
	}
	b.spent += s.cost
	s.head.Write(s.samples.Bytes()) // the order of protobuf's fields is free
	p, err := parse(s.head.Bytes())
	if err != nil {
		return nil, err
	}
	return p, check(p)
}

// File is a profile whose samples are looked at one by one and never are in memory together: a file of half
// a million takes what its functions take.
type File struct {
	Head    *profile.Profile // all but the samples
	decoder *decoder
	encoded []byte
	name    string
}

// Open reads as Read does, but for the samples.
func Open(r io.Reader, name string) (*File, error) {
	s := new(scan)
	if err := s.open(r); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	head, err := parse(s.head.Bytes())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &File{head, newDecoder(head, s.strings), s.samples.Bytes(), name}, nil
}

// Each yields the samples; it may be called again. A sample is valid until the next. After the last one Err
// has to be asked.
func (f *File) Each() iter.Seq[*profile.Sample] {
	return func(yield func(*profile.Sample) bool) {
		for s := range f.Numbered() {
			if !yield(s) {
				return
			}
		}
	}
}

// Numbered is Each with the places that a sample's locations have in Head.Location. Who keeps what it knows of
// locations by these numbers has it close together: half a million stacks are millions of locations, and looking at each costs
// little but the wait for memory.
func (f *File) Numbered() iter.Seq2[*profile.Sample, []int32] { return f.decoder.each(f.encoded) }

// Err is why Each ended early.
func (f *File) Err() error {
	if f.decoder.err != nil {
		return fmt.Errorf("%s: %w", f.name, f.decoder.err)
	}
	return nil
}

// open decompresses and scans.
func (s *scan) open(r io.Reader) error {
	in := bufio.NewReaderSize(r, 64<<10)
	switch magic, err := in.Peek(2); {
	case errors.Is(err, io.EOF):
		return fmt.Errorf("%w: empty", ErrNotProfile)
	case err != nil:
		return err
	case magic[0] == 0x1f && magic[1] == 0x8b:
		z, err := gzip.NewReader(in)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrNotProfile, err)
		}
		in = bufio.NewReaderSize(z, 64<<10)
	}
	s.in = in
	return s.run()
}

func parse(b []byte) (*profile.Profile, error) {
	p, err := profile.ParseUncompressed(b)
	if err == nil {
		err = p.CheckValid()
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotProfile, err)
	}
	return p, nil
}

var errNegative = fmt.Errorf("%w of a program: it has negative values", ErrNotProfile)

// check refuses what is no recording but the difference of two, and stacks that nothing has.
func check(p *profile.Profile) error {
	var all frames
	for _, s := range p.Sample {
		for _, v := range s.Value {
			if v < 0 {
				return errNegative
			}
		}
		n := 0
		for _, l := range s.Location {
			n += len(l.Line)
		}
		if err := all.add(n); err != nil {
			return err
		}
	}
	return nil
}

// frames counts those of samples.
type frames int

// add adds those of one sample.
func (f *frames) add(n int) error {
	if *f += frames(n); n > maxFrames || *f > maxVisits {
		return fmt.Errorf("%w: a sample of %d frames, %d in all", ErrTooLarge, n, *f)
	}
	return nil
}

// scan splits a protobuf message into its samples and the rest, and adds up what they will cost.
type scan struct {
	in      *bufio.Reader
	keep    bool // samples will be in memory together
	head    bytes.Buffer
	samples bytes.Buffer
	strings []string // the string table
	size    int64    // decompressed
	cost    int64
	before  int64  // the cost of profiles that are in memory beside this one
	most    int64  // of all of them together, 0: DefaultMost
	tag     []byte // of the field at hand, with its length
}

// lastField is the largest field number of profile.proto's outermost message, with room for more.
const lastField = 100

func (s *scan) run() error {
	for {
		s.tag = s.tag[:0]
		tag, err := s.varint()
		if errors.Is(err, io.EOF) && s.size > 0 {
			return nil
		}
		if err == nil {
			err = unexpected(s.field(tag))
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return fmt.Errorf("%w: truncated", ErrNotProfile)
		}
		if err != nil {
			return err
		}
	}
}

func (s *scan) field(tag uint64) error {
	number, kind := tag>>3, tag&7
	if number == 0 || number > lastField {
		return ErrNotProfile
	}
	s.cost += 40
	var n uint64
	var err error
	switch kind {
	case 0:
		_, err = s.varint()
	case 1:
		n = 8
	case 2:
		n, err = s.length()
	case 5:
		n = 4
	default:
		return ErrNotProfile
	}
	if err != nil {
		return err
	}
	return s.copy(number, kind, int64(n))
}

// length reads that of a nested message or string.
func (s *scan) length() (uint64, error) {
	n, err := s.varint()
	if err != nil {
		return 0, err
	}
	if n > maxCost {
		return 0, fmt.Errorf("%w: a field claims %d bytes", ErrTooLarge, n)
	}
	return n, s.spend(copied * int64(n))
}

// spend adds to what the profile will cost.
func (s *scan) spend(cost int64) error {
	most := cmp.Or(s.most, maxCost)
	if s.cost += cost; s.before+s.cost <= most {
		return nil
	}
	what := "it"
	if s.before > 0 {
		what = "with those before it"
	}
	return fmt.Errorf("%w: %s would take more than %d MiB of memory", ErrTooLarge, what, most>>20)
}

// copy copies a field to where it belongs.
func (s *scan) copy(number, kind uint64, n int64) error {
	s.size += n + int64(len(s.tag))
	out := &s.head
	if number == fieldSample && kind == 2 {
		out = &s.samples
	}
	out.Write(s.tag)
	if err := s.read(out, n); err != nil {
		return err
	}
	if kind != 2 {
		return nil
	}
	message := out.Bytes()[out.Len()-int(n):]
	if number == fieldString {
		s.strings = append(s.strings, string(message))
	}
	return s.weigh(number, message)
}

// claimed is how many bytes there is room made for before any of them is there.
const claimed = 64 << 10

// read appends the next n bytes to out.
func (s *scan) read(out *bytes.Buffer, n int64) error {
	if n <= claimed {
		out.Grow(int(n))
		b := out.AvailableBuffer()[:n]
		if _, err := io.ReadFull(s.in, b); err != nil {
			return unexpected(err)
		}
		out.Write(b)
		return nil
	}
	if m, err := io.CopyN(out, s.in, n); m < n {
		return unexpected(err)
	}
	return nil
}

// unexpected is an end inside a field.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// varint reads one varint into the tag. io.EOF means that there was no byte at all.
func (s *scan) varint() (v uint64, err error) {
	for shift := 0; shift < 64; shift += 7 {
		b, err := s.in.ReadByte()
		if err != nil {
			if shift > 0 {
				err = unexpected(err)
			}
			return 0, err
		}
		s.tag = append(s.tag, b)
		if v |= uint64(b&0x7f) << shift; b < 0x80 {
			return v, nil
		}
	}
	return 0, ErrNotProfile
}
