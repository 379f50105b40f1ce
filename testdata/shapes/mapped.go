package main

import (
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mayfly-profiler/mayfly/testdata/shapes/run"
)

// mapped is a file in memory of which large requests read parts that have to come from the disk.
type mapped struct {
	file *os.File
	data []byte
	next atomic.Int64
}

const (
	mappedSize = 128 << 20
	partSize   = 1 << 20
)

// lookup reads parts for so long that no disk is too fast to be late.
//
//go:noinline
func (m *mapped) lookup() (sum byte) {
	for begin := time.Now(); time.Since(begin) < 80*time.Millisecond; {
		at := m.next.Add(partSize) % mappedSize
		part := m.data[at : at+partSize]
		for i := 0; i < len(part); i += os.Getpagesize() {
			sum += part[i]
		}
		unix.Madvise(part, unix.MADV_DONTNEED) // so that the pages can be dropped
		unix.Fadvise(int(m.file.Fd()), at, partSize, unix.FADV_DONTNEED)
	}
	return sum
}

func pageFaults(e *env) http.HandlerFunc {
	m := &mapped{file: scratch()}
	block := make([]byte, 1<<20)
	for range mappedSize >> 20 {
		_, err := m.file.Write(block)
		run.Check(err)
	}
	run.Check(m.file.Sync())
	var err error
	m.data, err = unix.Mmap(int(m.file.Fd()), 0, mappedSize, unix.PROT_READ, unix.MAP_SHARED)
	run.Check(err)
	run.Check(unix.Madvise(m.data, unix.MADV_RANDOM))
	run.Check(unix.Fadvise(int(m.file.Fd()), 0, mappedSize, unix.FADV_DONTNEED))
	s := newReports(e)
	return func(w http.ResponseWriter, r *http.Request) {
		err := s.item(r.Context())
		if isLarge(r) {
			m.lookup()
		}
		reply(w, err)
	}
}
