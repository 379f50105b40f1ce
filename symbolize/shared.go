package symbolize

import (
	"io"
	"os"
	"sync"

	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/symbolize/internal/elfx"
)

// Where the tables of a file are, and what is read of them whole, is the same for all processes that have it mapped. So it is found once
// for as long as one of them has the file open. Which file that is the kernel says of the open one, not its path: an inode that is open is
// given to no other file, nor its device to another file system, and what is written to changes its times. Whoever lies about these, as
// who serves a file system of his own can, lies about files of that file system.

// sharedFiles are the files that are open, by identity.
type sharedFiles struct {
	mu  sync.Mutex
	all map[proc.FileID]*sharedFile
}

// sharedFile is what is known of one. It is not changed.
type sharedFile struct {
	kind    Kind
	buildID string
	elf     *elfx.File
	golang  *Binary // nil: no Go code
	users   int     // of those that have it open; under mu
}

var openFiles = sharedFiles{all: make(map[proc.FileID]*sharedFile)}

// open opens the object of a file, which belongs to it from then on.
func (s *sharedFiles) open(name string, f *os.File) (*object, error) {
	id, ok := proc.Identify(f)
	var x *sharedFile
	if ok {
		x = s.use(id)
	}
	if x != nil {
		o := &object{base: unreadObject(name).base, kind: x.kind, buildID: x.buildID, elf: x.elf.On(f), file: f, shared: id}
		if x.golang != nil {
			o.golang = x.golang.on(f)
		}
		return o, nil
	}
	o, err := newObject(name, f)
	o.file = f
	if now, still := proc.Identify(f); ok && still && now == id && err == nil {
		s.add(id, o)
	}
	return o, err
}

// use returns what is known of a file that is open, nil if nothing is.
func (s *sharedFiles) use(id proc.FileID) *sharedFile {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.all[id]
	if x != nil {
		x.users++
	}
	return x
}

func (s *sharedFiles) add(id proc.FileID, o *object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.all[id]
	if x == nil {
		x = &sharedFile{kind: o.kind, buildID: o.buildID, elf: o.elf.On(nil)}
		if o.golang != nil {
			x.golang = o.golang.on(nil) // what that one has cached goes with it
		}
		s.all[id] = x
	}
	x.users++
	o.shared = id
}

// close ends what use or add began, while the file is open still.
func (s *sharedFiles) close(id proc.FileID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x := s.all[id]; x != nil {
		if x.users--; x.users == 0 {
			delete(s.all, id)
		}
	}
}

// binary is the Go binary in r, if that is a file that is open; else nil.
func (s *sharedFiles) binary(r io.ReaderAt) *Binary {
	f, ok := r.(*os.File)
	if !ok {
		return nil
	}
	id, ok := proc.Identify(f)
	s.mu.Lock()
	defer s.mu.Unlock()
	if x := s.all[id]; ok && x != nil && x.golang != nil {
		return x.golang.on(r)
	}
	return nil
}
