//go:build amd64 || arm64

package perf

import (
	"fmt"
	"slices"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ring is the buffer that the kernel shares with us: a page of positions, then the data.
type ring struct {
	fd   int   // of the event that it belongs to
	cpu  int   // that the events are on
	fds  []int // of all events that write to it: those of all threads on its CPU
	mem  []byte
	data []byte
	copy []byte // of a record that runs over the end
}

// ringPages are tried in this order: users may lock kernel.perf_event_mlock_kb per CPU in all.
var ringPages = []int{64, 16, 4}

func mapRing(fd, cpu int) (*ring, error) {
	page := unix.Getpagesize()
	var err error
	for _, n := range ringPages {
		var mem []byte
		if mem, err = unix.Mmap(fd, 0, page*(1+n), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err == nil {
			return &ring{fd: fd, cpu: cpu, mem: mem, data: mem[page:]}, nil
		}
		if err != unix.EPERM {
			break
		}
	}
	return nil, fmt.Errorf("map perf ring: %w (kernel.perf_event_mlock_kb, ulimit -l)", err)
}

// other is the event behind fd, to wait for the ring with; false if there is none.
func (r *ring) other(fd int) (int, bool) {
	if i := slices.Index(r.fds, fd); i >= 0 && i+1 < len(r.fds) {
		return r.fds[i+1], true
	}
	return fd, false
}

func (r *ring) close() { unix.Munmap(r.mem) }

// each calls f with the records that there are, and gives their room back. The record is valid until
// f returns.
func (r *ring) each(f func(h header, body []byte) error) error {
	page := (*unix.PerfEventMmapPage)(unsafe.Pointer(&r.mem[0]))
	head, tail := atomic.LoadUint64(&page.Data_head), page.Data_tail
	var err error
	for tail < head && err == nil {
		var b []byte
		var h header
		if h, err = parseHeader(r.bytes(tail, headerSize)); err != nil {
			break
		}
		if uint64(h.size) > head-tail {
			err = fmt.Errorf("%w: %d bytes of %d", errRecord, head-tail, h.size)
			break
		}
		b = r.bytes(tail, int(h.size))
		err = f(h, b[headerSize:])
		tail += uint64(h.size)
	}
	if err != nil {
		tail = head // what follows cannot be told apart
	}
	atomic.StoreUint64(&page.Data_tail, tail)
	return err
}

// bytes are n bytes at a position; they are copied when they run over the end.
func (r *ring) bytes(at uint64, n int) []byte {
	from := int(at % uint64(len(r.data)))
	if from+n <= len(r.data) {
		return r.data[from : from+n]
	}
	r.copy = append(append(r.copy[:0], r.data[from:]...), r.data[:n-(len(r.data)-from)]...)
	return r.copy
}
