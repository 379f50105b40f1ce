package proc

import (
	"errors"
	"io"
)

// ErrFault is wrapped by a read of memory that is not mapped or not readable. The bytes before
// the fault were read.
var ErrFault = errors.New("address is not readable")

// Memory reads the memory of a process; the offset is the address. A read past readable memory
// returns the bytes before it and an error that wraps ErrFault. Recorded images stand in for it
// in tests.
type Memory interface{ io.ReaderAt }

// Piece is one range of memory in a batch: Buf is filled from Addr.
type Piece struct {
	Addr uint64
	Buf  []byte
	OK   bool // set by Gather: all of Buf was read
}

// Gatherer is a Memory that reads many small ranges with few system calls. The Memory of a
// Process is one on Linux.
type Gatherer interface {
	Memory
	// Gather fills all pieces and sets their OK. A piece that faults is not an error; the error
	// is about the process as a whole. Not for concurrent use on one Gatherer.
	Gather([]Piece) error
}
