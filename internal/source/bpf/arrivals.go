package bpf

import (
	"encoding/binary"
	"errors"
	"time"
)

// Arrival is that a goroutine read from a TCP socket, and when what it read had come in: the first of it that it had not read before.
// Times are CLOCK_MONOTONIC, ns.
type Arrival struct {
	Goid       uint64
	Came, Read int64
}

// leastUnread is what nobody need know of: what was read as soon as that.
const leastUnread = 20 * time.Microsecond

// arrivalSize is the size of struct arrival in arrivals.bpf.c.
const arrivalSize = 24

var errArrival = errors.New("read arrivals: a record of another size")

func decodeArrival(raw []byte) (Arrival, error) {
	if len(raw) < arrivalSize {
		return Arrival{}, errArrival
	}
	u := binary.NativeEndian
	return Arrival{Came: int64(u.Uint64(raw)), Read: int64(u.Uint64(raw[8:])), Goid: u.Uint64(raw[16:])}, nil
}
