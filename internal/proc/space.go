package proc

import (
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"sync"
)

// Space is the memory that a process had when the Space was opened. By execve it gets another one, in which something else lies at the
// same addresses, and every other method of Process speaks of the new one from then on. The kernel ties an open maps file to a memory
// (proc_maps_open in fs/proc/task_mmu.c): when nobody has that any more, the file is empty.
type Space struct {
	p    *Process
	mu   sync.Mutex // where the kernel is in the file is one for all readers
	maps *os.File
}

// Space opens the memory that the process has now. The caller closes it.
func (p *Process) Space() (*Space, error) {
	f, err := os.Open(p.path("maps"))
	if err != nil {
		return nil, p.deny("maps", err)
	}
	return &Space{p: p, maps: f}, nil
}

// Maps returns the memory mappings in ascending order of address, none when the process has ended or executed another program. A nil
// Space has none.
func (s *Space) Maps() ([]Mapping, error) {
	if s == nil {
		return nil, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	maps, err := ParseMaps(io.NewSectionReader(s.maps, 0, math.MaxInt64))
	if err != nil {
		return nil, s.p.deny("maps", err)
	}
	if len(maps) == 0 && !s.p.Alive() {
		return nil, fmt.Errorf("proc: %s: %w", s.p.path("maps"), ErrNoProcess)
	}
	return maps, nil
}

// Over says whether the process has ended or executed another program.
func (s *Space) Over() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, _ := s.maps.ReadAt(make([]byte, 1), 0)
	return n == 0
}

// Close closes the file.
func (s *Space) Close() error { return s.maps.Close() }

// StackTop is an address in the stack that the kernel gave the process with its program, near its end. It is not unmapped, and the next
// program has its own elsewhere, at one of some four million places: who reads it together with something else knows whose that is.
// 0: there is none.
func StackTop(maps []Mapping) uint64 {
	for _, m := range maps {
		if strings.HasPrefix(m.Path, "[stack]") {
			return m.End - 8
		}
	}
	return 0
}
