package goruntime

import (
	"debug/buildinfo"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"sync"

	"github.com/mayfly-profiler/mayfly/internal/proc"
)

// Image is the file with the Go runtime of a process: its executable, or a library built with
// -buildmode=c-shared in a program of another language.
type Image struct {
	Exe     bool         // it is the executable
	Mapping proc.Mapping // of its code, the lowest; zero for an executable
	Others  []string     // paths of other files with a runtime of their own; executables are not searched for any
}

// Images finds images. It remembers which files are none, so that one Images looks at each library
// of a host once. It may be used by several goroutines.
type Images struct {
	mu   sync.Mutex
	none map[fileKey]bool
}

type fileKey struct{ dev, inode uint64 }

// maxFiles bounds the files of one process that are opened.
const maxFiles = 1024

// Find finds the Go runtime in a process: in its executable, or else in the library with Go code at
// the lowest address. Errors wrap ErrNotGo, or are those of proc.Process.
func (x *Images) Find(p *proc.Process) (Image, error) {
	exe, err := p.Exe()
	if err != nil && p.IsKernel() {
		return Image{}, fmt.Errorf("goruntime: %w: it is a thread of the kernel", ErrNotGo)
	}
	if err != nil {
		return Image{}, err
	}
	_, err = BuildInfo(exe)
	exe.Close()
	if err == nil {
		return Image{Exe: true}, nil
	}
	if errors.Is(err, ErrPacked) {
		return Image{}, err
	}
	maps, err := p.Maps()
	if err != nil {
		return Image{}, err
	}
	var found []proc.Mapping
	seen := make(map[fileKey]bool)
	for _, m := range maps {
		key := fileKey{m.Dev, m.Inode}
		if !m.Exec || m.Inode == 0 || seen[key] || len(seen) == maxFiles {
			continue
		}
		seen[key] = true
		if x.holds(p, m, key) {
			found = append(found, m)
		}
	}
	if len(found) == 0 {
		return Image{}, fmt.Errorf("goruntime: %w, and it has loaded no Go library so far", ErrNotGo)
	}
	im := Image{Mapping: found[0]}
	for _, m := range found[1:] {
		im.Others = append(im.Others, m.Path)
	}
	return im, nil
}

// holds says whether the mapped file has a Go runtime. The Go linker puts the build information into
// a section of its own, whatever the system's linker does to the rest (cmd/link, buildinfo): files
// without that section are not read further.
func (x *Images) holds(p *proc.Process, m proc.Mapping, key fileKey) bool {
	if x.isNone(key, false) {
		return false
	}
	f, err := p.OpenMapping(m)
	if err != nil {
		return false
	}
	defer f.Close()
	if e, err := OpenELF(f); err == nil && e.Section(".go.buildinfo") != nil {
		if bi, err := BuildInfo(f); err == nil && !isPlugin(bi) {
			return true
		}
	}
	x.isNone(key, true)
	return false
}

// isNone says whether a file is known to have no runtime, and remembers it from now on if it is found to be so.
func (x *Images) isNone(key fileKey, found bool) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if found {
		if x.none == nil {
			x.none = make(map[fileKey]bool)
		}
		x.none[key] = true
	}
	return x.none[key]
}

// isPlugin says whether a library uses the runtime of the program that loads it.
func isPlugin(bi *buildinfo.BuildInfo) bool {
	return slices.ContainsFunc(bi.Settings, func(s debug.BuildSetting) bool { return s.Key == "-buildmode" && s.Value == "plugin" })
}

// Open opens the image's file. The caller closes it.
func (im Image) Open(p *proc.Process) (*os.File, error) {
	if im.Exe {
		return p.Exe()
	}
	return p.OpenMapping(im.Mapping)
}

// Layout is ReadCode for an image of a process. Where the threads of a program keep the g of a library's
// runtime is decided when the library is loaded: that is read from the memory of the process.
func (im Image) Layout(p *proc.Process, file io.ReaderAt, fn FindFunc) (*Layout, error) {
	l, err := ReadCode(file, fn)
	if err != nil || im.Exe {
		return l, err
	}
	l.TLS, l.TLSFrom = 0, TLSUnknown
	f, err := OpenELF(file)
	if err != nil {
		return l, nil
	}
	slot, ok := tlsSlot(f)
	bias, mapped := loadBias(f, im.Mapping)
	var b [8]byte
	if n, _ := p.Mem().ReadAt(b[:], int64(bias+slot)); ok && mapped && n == len(b) && inStaticTLS(f, int64(word(b[:]))) {
		l.TLS, l.TLSFrom = int64(word(b[:])), TLSMemory
	}
	return l, nil
}

// loadBias is what has to be added to link-time addresses of f, given a mapping of its code.
func loadBias(f *elf.File, m proc.Mapping) (uint64, bool) {
	for _, p := range f.Progs {
		const page = 1<<16 - 1 // the largest page size of the supported machines
		if lo := p.Off &^ page; p.Type == elf.PT_LOAD && p.Flags&elf.PF_X != 0 && m.Offset >= lo && m.Offset < p.Off+p.Filesz {
			return m.Start - m.Offset - (p.Vaddr - p.Off), true
		}
	}
	return 0, false
}
