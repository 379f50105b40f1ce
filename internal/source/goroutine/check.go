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

// ErrTable says that the target's memory does not look like a goroutine table. Nothing is
// sampled then: what would be reported could be plausible and wrong.
var ErrTable = errors.New("this does not look like a goroutine table")

// errYoung says that the program has not created its first goroutine yet.
var errYoung = fmt.Errorf("no goroutine yet: %w", ErrTable)

const (
	maxChecked = 256 // goroutines that are checked, the oldest
)

// check reads the table, and whether it is one. Errors wrap ErrTable or are those of the memory.
func (m *memory) check() error {
	n, err := m.must(m.v.Allglen)
	if err != nil {
		return err
	}
	if n == 0 {
		return errYoung
	}
	if n > maxAllglen {
		return fmt.Errorf("%d goroutines: %w", n, ErrTable)
	}
	all, err := m.must(m.v.Allgptr)
	if err != nil {
		return err
	}
	return m.checkAll(all, min(n, maxChecked))
}

func (m *memory) checkAll(all, n uint64) error {
	g := make([]byte, m.f.size)
	live := 0
	ids := m.readBirths()
	for i := range n {
		addr, err := m.must(all + 8*i)
		if err != nil {
			return err
		}
		if k, err := m.ReadAt(g, int64(addr)); k < len(g) {
			return m.unreadable(addr, err)
		}
		kd, err := m.checkG(g, ids.next)
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

// checkG checks one goroutine, which may be running.
func (m *memory) checkG(g []byte, ids uint64) (kind, error) {
	k := m.f.key(g)
	kd := kindOf(k.status)
	hi, main := word(g, m.f.hi), word(g, m.f.startpc) == m.v.Main
	switch {
	case kd == odd:
		return kd, fmt.Errorf("status %d: %w", k.status, ErrTable)
	case kd == dead:
		return kd, nil // its stack may be gone
	case k.goid == 0 || ids != 0 && k.goid > ids+maxPs*16:
		return kd, fmt.Errorf("id %d where %d were given out: %w", k.goid, ids, ErrTable)
	case k.lo == 0 || k.lo%8 != 0 || hi <= k.lo || hi-k.lo > 1<<32:
		return kd, fmt.Errorf("stack from %#x to %#x: %w", k.lo, hi, ErrTable)
	case m.v.Main != 0 && main != (k.goid == 1):
		return kd, fmt.Errorf("goroutine %d starts at %#x, where goroutine 1 does: %#x: %w", k.goid, word(g, m.f.startpc), m.v.Main, ErrTable)
	case kd == parked && k.status == gwaiting && word(g, m.f.m) == 0 && (k.sp < k.lo || k.sp > hi):
		return kd, fmt.Errorf("stack pointer %#x outside of its stack: %w", k.sp, ErrTable)
	}
	return kd, nil
}

// must reads a word that has to be there.
func (m *memory) must(addr uint64) (uint64, error) {
	var b [8]byte
	if n, err := m.ReadAt(b[:], int64(addr)); n < len(b) {
		return 0, m.unreadable(addr, err)
	}
	return word(b[:], 0), nil
}

func (m *memory) unreadable(addr uint64, err error) error {
	if errors.Is(err, proc.ErrFault) {
		err = fmt.Errorf("%#x cannot be read: %w", addr, ErrTable)
	}
	return cmp.Or(err, ErrTable)
}
