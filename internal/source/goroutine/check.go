package goroutine

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/mayfly-profiler/mayfly/internal/proc"
)

// Offsets that are wrong by a word read as plausible numbers, so the table has to prove that it is
// one before anything is believed: a sane length, readable g's, known statuses, stacks that contain
// their stack pointer, ids that were given out, and runtime.main as the start of goroutine 1 and of no
// other. Goroutine 1 need not be there: runtime.Goexit ends it, and in a library runtime.main returns.

// errYoung says that the program has not created its first goroutine yet.
var errYoung = fmt.Errorf("no goroutine yet: %w", ErrTable)

const (
	maxAllglen = 10_000_000 // no program has more
	maxChecked = 256        // goroutines that are looked at, the oldest
)

// check looks at the table. Errors wrap ErrTable or are those of the memory.
func (s *scanner) check() error {
	n, err := s.must(s.v.Allglen)
	if err != nil {
		return err
	}
	if n == 0 {
		return errYoung
	}
	if n > maxAllglen {
		return fmt.Errorf("%d goroutines: %w", n, ErrTable)
	}
	all, err := s.must(s.v.Allgptr)
	if err != nil {
		return err
	}
	return s.checkAll(all, min(n, maxChecked))
}

func (s *scanner) checkAll(all, n uint64) error {
	g := make([]byte, s.f.size)
	live := 0
	ids := s.readBirths()
	for i := range n {
		addr, err := s.must(all + 8*i)
		if err != nil {
			return err
		}
		if k, err := s.mem.ReadAt(g, int64(addr)); k < len(g) {
			return s.unreadable(addr, err)
		}
		kd, err := s.checkG(g, ids.next)
		if err != nil {
			return fmt.Errorf("g at %#x: %w", addr, err)
		}
		if kd > dead {
			live++
		}
	}
	if live == 0 {
		return errYoung
	}
	return nil
}

// checkG looks at one goroutine, which may be running.
func (s *scanner) checkG(g []byte, ids uint64) (kind, error) {
	k := s.f.key(g)
	kd := kindOf(k.status)
	hi, main := word(g, s.f.hi), word(g, s.f.startpc) == s.v.Main
	switch {
	case kd == odd:
		return kd, fmt.Errorf("status %d: %w", k.status, ErrTable)
	case kd == dead:
		return kd, nil // its stack may be gone
	case k.goid == 0 || ids != 0 && k.goid > ids+maxPs*16:
		return kd, fmt.Errorf("id %d where %d were given out: %w", k.goid, ids, ErrTable)
	case k.lo == 0 || k.lo%8 != 0 || hi <= k.lo || hi-k.lo > 1<<32:
		return kd, fmt.Errorf("stack from %#x to %#x: %w", k.lo, hi, ErrTable)
	case s.v.Main != 0 && main != (k.goid == 1):
		return kd, fmt.Errorf("goroutine %d starts at %#x, where goroutine 1 does: %#x: %w", k.goid, word(g, s.f.startpc), s.v.Main, ErrTable)
	case kd == parked && k.status == gwaiting && word(g, s.f.m) == 0 && (k.sp < k.lo || k.sp > hi):
		return kd, fmt.Errorf("stack pointer %#x outside of its stack: %w", k.sp, ErrTable)
	}
	return kd, nil
}

// must reads a word that has to be there.
func (s *scanner) must(addr uint64) (uint64, error) {
	var b [8]byte
	if n, err := s.mem.ReadAt(b[:], int64(addr)); n < len(b) {
		return 0, s.unreadable(addr, err)
	}
	return word(b[:], 0), nil
}

func (s *scanner) unreadable(addr uint64, err error) error {
	if errors.Is(err, proc.ErrFault) {
		err = fmt.Errorf("%#x cannot be read: %w", addr, ErrTable)
	}
	return cmp.Or(err, ErrTable)
}
