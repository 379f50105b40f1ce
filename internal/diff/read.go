package diff

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"

	"github.com/google/pprof/profile"
)

// A profile comes from anywhere: an artifact of another job, a download. A few kilobytes of gzip can
// claim gigabytes, and a few bytes of protobuf can ask for hundreds in memory. So the outermost
// fields are looked at while they are decompressed, and what is too large is refused before it
// is there.
const (
	maxBytes = 512 << 20 // of profile.proto, decompressed
	maxCost  = 4 << 30   // what the parsed profile may take in memory, estimated
)

// Errors of Read, wrapped.
var (
	ErrTooLarge   = errors.New("too large")
	ErrNotProfile = errors.New("not a pprof profile")
)

// Read reads a profile in profile.proto's encoding, compressed or not. The name is for messages. Its
// memory is bounded whatever r holds. Errors are one line.
func Read(r io.Reader, name string) (*profile.Profile, error) {
	p, err := read(r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return p, nil
}

func read(r io.Reader) (*profile.Profile, error) {
	in := bufio.NewReaderSize(r, 64<<10)
	switch magic, err := in.Peek(2); {
	case errors.Is(err, io.EOF):
		return nil, fmt.Errorf("%w: empty", ErrNotProfile)
	case err != nil:
		return nil, err
	case magic[0] == 0x1f && magic[1] == 0x8b:
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrNotProfile, err)
		}
		in = bufio.NewReaderSize(z, 64<<10)
	}
	s := scan{in: in}
	if err := s.run(); err != nil {
		return nil, err
	}
	p, err := profile.ParseUncompressed(s.out.Bytes())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotProfile, err)
	}
	if err := p.CheckValid(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotProfile, err)
	}
	return p, checkValues(p)
}

// checkValues refuses what is no recording but the difference of two.
func checkValues(p *profile.Profile) error {
	for _, s := range p.Sample {
		for _, v := range s.Value {
			if v < 0 {
				return fmt.Errorf("%w of a program: it has negative values", ErrNotProfile)
			}
		}
	}
	return nil
}

// scan copies a protobuf message and adds up what its fields will cost.
type scan struct {
	in   *bufio.Reader
	out  bytes.Buffer
	cost int64
}

// lastField is the largest field number of profile.proto's outermost message, with room for more.
const lastField = 100

func (s *scan) run() error {
	for {
		tag, err := s.varint()
		if errors.Is(err, io.EOF) && s.out.Len() > 0 {
			return nil
		}
		if err == nil {
			err = s.field(tag)
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
	s.cost += 16
	var err error
	switch kind {
	case 0:
		_, err = s.varint()
	case 1:
		err = s.copy(8)
	case 2:
		err = s.message()
	case 5:
		err = s.copy(4)
	default:
		return ErrNotProfile
	}
	return unexpected(err)
}

// message copies a nested message or string. In memory each byte of it may become a location's
// pointer and its id, each message a struct.
func (s *scan) message() error {
	n, err := s.varint()
	if err != nil {
		return err
	}
	if n > maxBytes {
		return fmt.Errorf("%w: a field claims %d bytes", ErrTooLarge, n)
	}
	if s.cost += 150 + 12*int64(n); s.cost > maxCost {
		return fmt.Errorf("%w: it would take more than %d GiB of memory", ErrTooLarge, maxCost>>30)
	}
	return s.copy(int64(n))
}

func (s *scan) copy(n int64) error {
	if int64(s.out.Len())+n > maxBytes {
		return fmt.Errorf("%w: more than %d MiB decompressed", ErrTooLarge, maxBytes>>20)
	}
	_, err := io.CopyN(&s.out, s.in, n)
	return unexpected(err)
}

// unexpected is an end inside a field.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// varint copies one varint and returns its value. io.EOF means that there was no byte at all.
func (s *scan) varint() (v uint64, err error) {
	for shift := 0; shift < 64; shift += 7 {
		b, err := s.in.ReadByte()
		if err != nil {
			if shift > 0 {
				err = unexpected(err)
			}
			return 0, err
		}
		if s.out.Len() >= maxBytes {
			return 0, fmt.Errorf("%w: more than %d MiB decompressed", ErrTooLarge, maxBytes>>20)
		}
		s.out.WriteByte(b)
		if v |= uint64(b&0x7f) << shift; b < 0x80 {
			return v, nil
		}
	}
	return 0, ErrNotProfile
}
