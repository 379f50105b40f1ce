package goroutine

import (
	"bytes"
	"compress/gzip"
	"encoding/gob"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mayfly-profiler/mayfly/internal/cost"
	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
	"github.com/mayfly-profiler/mayfly/symbolize"
)

// Images are what a scan read of a process of testdata/parked and of its executable, page by page, one for each Go
// release. So the scanner is held against real runtimes wherever its tests run, without the rights, the kernel and the
// toolchain that a live process takes. What is expected of it is what the runtime itself said a moment later: its own
// dump of all goroutines. TestRecordImages records them anew.

const pageSize = 512 // small: what lies around is noise

// pages are parts of a memory or a file.
type pages map[int64][]byte

// ReadAt reads what there is; the rest is as memory that is not mapped.
func (p pages) ReadAt(b []byte, off int64) (n int, err error) {
	for n < len(b) {
		at := off + int64(n)
		page := p[at&^(pageSize-1)]
		in := at & (pageSize - 1)
		if in >= int64(len(page)) {
			return n, fmt.Errorf("%#x: %w", at, proc.ErrFault)
		}
		n += copy(b[n:], page[in:])
	}
	return n, nil
}

// file is an executable of which some pages are kept. What lies between them is zero.
type file struct {
	pages
	size int64
}

func (f *file) ReadAt(b []byte, off int64) (n int, err error) {
	for n < len(b) && off+int64(n) < f.size {
		at := off + int64(n)
		in := at & (pageSize - 1)
		page := f.pages[at-in]
		part := b[n:min(n+pageSize-int(in), len(b))]
		clear(part)
		copy(part, page[min(int(in), len(page)):])
		n += len(part)
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// image is a recorded process. Where the runtime's variables are was found in the whole executable, which would be many times
// as large: tests of goruntime hold that against all toolchains.
type image struct {
	File   *file
	Memory pages
	Vars   *goruntime.Vars
}

// page is a page in a file.
type page struct {
	At   int64
	Data []byte
}

func (p pages) sorted() (all []page) {
	for _, at := range slices.Sorted(maps.Keys(p)) {
		all = append(all, page{at, p[at]})
	}
	return all
}

// written is how an image is in a file: gob in gzip.
type written struct {
	File, Memory []page
	Size         int64 // of the executable
	Vars         *goruntime.Vars
}

func (m *image) write(w io.Writer) error {
	z, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		return err
	}
	if err := gob.NewEncoder(z).Encode(written{m.File.sorted(), m.Memory.sorted(), m.File.size, m.Vars}); err != nil {
		return err
	}
	return z.Close()
}

func readImage(t testing.TB, name string) *image {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var w written
	if err := gob.NewDecoder(z).Decode(&w); err != nil {
		t.Fatal(err)
	}
	m := &image{File: &file{make(pages), w.Size}, Memory: make(pages), Vars: w.Vars}
	for _, p := range w.File {
		m.File.pages[p.At] = p.Data
	}
	for _, p := range w.Memory {
		m.Memory[p.At] = p.Data
	}
	return m
}

// program is what is known of an executable at a fixed address.
type program struct {
	layout *goruntime.Layout
	vars   *goruntime.Vars
	bin    *symbolize.Binary
}

func openProgram(exe io.ReaderAt, v *goruntime.Vars) (*program, error) {
	l, err := goruntime.Read(exe)
	if err != nil {
		return nil, err
	}
	bin, err := symbolize.OpenGo(exe)
	if err != nil {
		return nil, err
	}
	return &program{l, v, bin}, nil
}

// scan is a snapshot of all goroutines.
func (p *program) scan(mem proc.Memory) ([]*Goroutine, error) {
	s, err := newScanner(gatherer(mem), p.layout, p.vars, Options{Full: true, SPDelta: p.bin.SPDelta})
	if err != nil {
		return nil, err
	}
	s.stacks.peers = newPeers(s.state, func(int) (proc.Peer, error) { return proc.Peer{}, proc.ErrFault })
	if err := s.mem.check(); err != nil {
		return nil, err
	}
	return s.snapshot()
}

// names are the functions of a stack as the runtime prints it, inlined ones too, without those of package runtime.
func (p *program) names(stack []uint64) string {
	var names []string
	for _, pc := range stack {
		for _, f := range p.bin.Lookup(nil, pc-1) {
			names = append(names, f.Func)
		}
	}
	return outsideRuntime(names)
}

func outsideRuntime(names []string) string {
	names = slices.DeleteFunc(names, func(name string) bool { return strings.HasPrefix(name, "runtime.") })
	return strings.Join(names, " ")
}

// truth is what the process said about itself.
type truth struct {
	Stacks string                       `json:"stacks"` // runtime.Stack
	Labels map[uint64]map[string]string `json:"labels"` // by goroutine id
}

// traced is a goroutine of runtime.Stack.
type traced struct{ state, stack string }

// goroutines parses the runtime's dump, which leaves its own goroutines out.
func (x *truth) goroutines(t testing.TB) map[uint64]traced {
	all := make(map[uint64]traced)
	for text := range strings.SplitSeq(x.Stacks, "\n\n") {
		head, rest, _ := strings.Cut(text, "\n")
		var id uint64
		if _, err := fmt.Sscanf(head, "goroutine %d", &id); err != nil {
			t.Fatalf("%q: %v", head, err)
		}
		_, state, _ := strings.Cut(head, "[")
		state, _, _ = strings.Cut(strings.TrimSuffix(state, ":"), "]")
		state, _, _ = strings.Cut(state, ",")
		var names []string
		for line := range strings.Lines(rest) {
			if name := line[:max(0, strings.LastIndexByte(line, '('))]; name != "" && line[0] != '\t' && !strings.HasPrefix(line, "created by ") {
				names = append(names, name)
			}
		}
		all[id] = traced{state, outsideRuntime(names)}
	}
	return all
}

// TestImages scans each image, and finds what the runtime said about itself.
func TestImages(t *testing.T) {
	files, err := filepath.Glob("testdata/images/*.gz")
	if err != nil || len(files) < 7 {
		t.Fatalf("%d images, %v", len(files), err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".gz"), func(t *testing.T) {
			m := readImage(t, name)
			p, err := openProgram(m.File, m.Vars)
			if err != nil {
				t.Fatal(err)
			}
			found, err := p.scan(m.Memory)
			if err != nil {
				t.Fatal(err)
			}
			compare(t, p, found, readTruth(t, strings.TrimSuffix(name, ".gz")+".json"))
		})
	}
}

func readTruth(t testing.TB, name string) *truth {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	x := new(truth)
	if err := json.Unmarshal(b, x); err != nil {
		t.Fatal(err)
	}
	return x
}

func compare(t *testing.T, p *program, found []*Goroutine, x *truth) {
	t.Helper()
	byID := make(map[uint64]*Goroutine)
	for _, g := range found {
		byID[g.ID] = g
	}
	compared := 0
	for id, want := range x.goroutines(t) {
		g := byID[id]
		if g == nil {
			t.Errorf("goroutine %d (%s): not found", id, want.stack)
			continue
		}
		labels := make(map[string]string)
		for _, l := range g.Labels {
			labels[l.Key] = l.Value
		}
		if !maps.Equal(labels, x.Labels[id]) {
			t.Errorf("goroutine %d: labels %v, want %v", id, labels, x.Labels[id])
		}
		if id == 1 || want.state == "running" || want.state == "runnable" { // it went on meanwhile
			continue
		}
		compared++
		if got := p.names(g.Stack); string(g.State) != want.state || got != want.stack {
			t.Errorf("goroutine %d:\n got %s: %s\nwant %s: %s", id, g.State, got, want.state, want.stack)
		}
	}
	if compared < 13 {
		t.Errorf("%d goroutines were compared", compared)
	}
	burns := slices.IndexFunc(found, func(g *Goroutine) bool { return slices.Contains(g.Labels, sample.Label{Key: "work", Value: "burn"}) })
	if burns < 0 || found[burns].State != sample.Running && found[burns].State != sample.Runnable {
		t.Error("the goroutine that burns does not")
	}
}

// FuzzImages changes bytes of the images, of the executable or the memory: a scan ends, in bounded memory.
func FuzzImages(f *testing.F) {
	files, err := filepath.Glob("testdata/images/*.gz")
	if err != nil || len(files) == 0 {
		f.Skip(err)
	}
	var images []*image
	var programs []*program
	for _, name := range files {
		m := readImage(f, name)
		p, err := openProgram(m.File, m.Vars)
		if err != nil {
			f.Fatal(err)
		}
		images, programs = append(images, m), append(programs, p)
	}
	for i := range images {
		f.Add(byte(i), false, uint32(0), []byte{})
		f.Add(byte(i), true, uint32(0), []byte{0xff, 0xff, 0xff, 0xff})
		for at := range uint32(32) {
			f.Add(byte(i), false, at<<11, bytes.Repeat([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, 32))
		}
	}
	f.Fuzz(func(t *testing.T, which byte, exe bool, at uint32, patch []byte) {
		i := int(which) % len(images)
		m, p := images[i], programs[i]
		cost.Limit{Bytes: 256 << 20, Time: cost.Small.Time}.Hold(t, func() {
			mem := m.Memory
			if exe {
				var err error
				if p, err = openProgram(&file{m.File.patched(at, patch), m.File.size}, m.Vars); err != nil {
					return
				}
			} else {
				mem = m.Memory.patched(at, patch)
			}
			found, err := p.scan(mem)
			if err != nil {
				return
			}
			for _, g := range found {
				if len(g.Stack) > maxFrames+2 {
					t.Fatalf("a stack of %d frames", len(g.Stack))
				}
				p.names(g.Stack)
			}
		})
	})
}

// patched is p with other bytes at a place among its pages, as if they were one after the other.
func (p pages) patched(at uint32, patch []byte) pages {
	all := slices.Sorted(maps.Keys(p))
	q := maps.Clone(p)
	i := int(at) % (len(all) * pageSize)
	for len(patch) > 0 && i/pageSize < len(all) {
		k := all[i/pageSize]
		b := slices.Clone(q[k])
		n := copy(b[min(i%pageSize, len(b)):], patch)
		q[k], patch, i = b, patch[n:], (i/pageSize+1)*pageSize
	}
	return q
}
