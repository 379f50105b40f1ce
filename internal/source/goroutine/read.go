package goroutine

import (
	"encoding/binary"
	"errors"

	"github.com/mayfly-profiler/mayfly/internal/proc"
)

// gatherer makes a Gatherer of any memory, reading piece by piece if need be.
func gatherer(m proc.Memory) proc.Gatherer {
	if g, ok := m.(proc.Gatherer); ok {
		return g
	}
	return single{m}
}

type single struct{ proc.Memory }

func (m single) Gather(ps []proc.Piece) error {
	for i := range ps {
		_, err := m.ReadAt(ps[i].Buf, int64(ps[i].Addr))
		if err != nil && !errors.Is(err, proc.ErrFault) {
			return err
		}
		ps[i].OK = err == nil
	}
	return nil
}

func word(b []byte, off int) uint64 { return binary.LittleEndian.Uint64(b[off:]) }

// grow returns b with length n, with any content.
func grow(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, n+n/2)[:n]
	}
	return b[:n]
}

// noFault is nil for errors that are only about an address.
func noFault(err error) error {
	if errors.Is(err, proc.ErrFault) {
		return nil
	}
	return err
}
