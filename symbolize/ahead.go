package symbolize

import (
	"os"
	"sync"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/proc"
)

// Ahead is a file that has been read before a process has mapped it. For the executable of a program that
// is going to be started: reading it takes up to 0.1 s, in which the program can be over.
type Ahead struct {
	object *object
	err    error // a warning
}

// OpenAhead reads a file, which belongs to the Ahead from then on.
func OpenAhead(f *os.File) *Ahead {
	o, err := openFiles.open(f.Name(), f)
	return &Ahead{o, err}
}

// Close closes the file, of an Ahead that no Symbolizer has.
func (a *Ahead) Close() error { return a.object.close() }

// mappings are those that the kernel makes of an executable with fixed addresses, none of another one.
func (a *Ahead) mappings() []proc.Mapping {
	if a.object.elf == nil || !a.object.elf.Fixed {
		return nil
	}
	id, err := proc.FileMapping(a.object.file)
	if err != nil {
		return nil
	}
	var maps []proc.Mapping
	for _, seg := range a.object.elf.Loads {
		if seg.Exec {
			id.Start, id.End, id.Offset, id.Exec = seg.Vaddr, seg.Vaddr+seg.Memsz, seg.Off, true
			maps = append(maps, id)
		}
	}
	return maps
}

// young are the mappings of a program in its first moments: the dynamic loader maps libraries then, and
// the program may be over when the first address of one is looked up.
type young struct {
	mu   sync.Mutex
	maps []proc.Mapping // the latest that nobody has taken yet
	done chan struct{}
}

// youth is how long it is watched, in steps that double from the first one on.
const (
	youth     = 250 * time.Millisecond
	firstStep = time.Millisecond
)

func watch(m *proc.Space) *young {
	y := &young{done: make(chan struct{})}
	go func() {
		for step := firstStep; step < youth; step *= 2 {
			select {
			case <-y.done:
				return
			case <-time.After(step):
			}
			maps, err := m.Maps()
			if err != nil || len(maps) == 0 {
				return
			}
			y.mu.Lock()
			y.maps = maps
			y.mu.Unlock()
		}
	}()
	return y
}

func (y *young) take() []proc.Mapping {
	if y == nil {
		return nil
	}
	y.mu.Lock()
	defer y.mu.Unlock()
	maps := y.maps
	y.maps = nil
	return maps
}

func (y *young) stop() {
	if y != nil {
		close(y.done)
	}
}
