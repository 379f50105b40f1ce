package goroutine

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/symbolize"
)

var update = flag.Bool("update", false, "record the images anew, which takes all toolchains and some minutes")

// imaged are the releases that there are images of.
var imaged = []string{"1.21.13", "1.22.12", "1.23.12", "1.24.13", "1.25.7", "1.26.11", "1.27.4"}

// recording keeps the pages that are read through it. Each is read once: what is kept is what the reader saw.
type recording struct {
	from io.ReaderAt
	kept pages
}

func (r *recording) ReadAt(b []byte, off int64) (int, error) {
	for at := off &^ (pageSize - 1); at < off+int64(len(b)); at += pageSize {
		if r.kept[at] != nil {
			continue
		}
		page := make([]byte, pageSize)
		if n, _ := r.from.ReadAt(page, at); n > 0 {
			r.kept[at] = page[:n]
		}
	}
	return r.kept.ReadAt(b, off)
}

// TestRecordImages does with a live process what TestImages does with images, and with -update writes them.
func TestRecordImages(t *testing.T) {
	releases := []string{""}
	if *update {
		releases = imaged
	}
	for _, release := range releases {
		b := target.Build{Go: release, Strip: true}
		t.Run(b.String(), func(t *testing.T) {
			x := target.Start(t, target.Compile(t, "parked", b))
			m := new(image)
			p, found := m.record(t, x)
			said := new(truth)
			x.Truth(said)
			compare(t, p, found, said)
			if *update && !t.Failed() {
				m.reduce()
				save(t, filepath.Join("testdata", "images", "go"+release), m, said)
			}
		})
	}
}

// record scans a live process, and looks up the functions of all stacks, so that these are in the image too.
func (m *image) record(t *testing.T, x *target.Target) (*program, []*Goroutine) {
	t.Helper()
	f, err := os.Open(x.Exe)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	m.File, m.Memory, m.Vars = &file{make(pages), info.Size()}, make(pages), findVars(t, f)
	program, err := openProgram(&recording{f, m.File.pages}, m.Vars)
	if err != nil {
		t.Fatal(err)
	}
	p, err := proc.Open(x.PID)
	target.Need(t, err)
	t.Cleanup(func() { p.Close() })
	found, err := program.scan(&recording{p.Mem(), m.Memory})
	target.Need(t, err)
	for _, g := range found {
		program.names(g.Stack)
	}
	return program, found
}

// reduce drops the pages of the executable that make no difference: a table is read in large pieces.
func (m *image) reduce() {
	want := m.outcome()
	for n := len(m.File.pages); n > 0; n /= 2 {
		for part := range slices.Chunk(slices.Sorted(maps.Keys(m.File.pages)), n) {
			whole := maps.Clone(m.File.pages)
			for _, at := range part {
				delete(m.File.pages, at)
			}
			if m.outcome() != want {
				m.File.pages = whole
			}
		}
	}
}

// outcome is all that is found in an image.
func (m *image) outcome() string {
	p, err := openProgram(m.File, m.Vars)
	if err != nil {
		return err.Error()
	}
	found, err := p.scan(m.Memory)
	text := fmt.Sprint(err)
	for _, g := range found {
		text += fmt.Sprintf("%+v %s\n", *g, p.names(g.Stack))
	}
	return text
}

func findVars(t *testing.T, f *os.File) *goruntime.Vars {
	t.Helper()
	l, err := goruntime.Read(f)
	if err != nil {
		t.Fatal(err)
	}
	bin, err := symbolize.OpenGo(f)
	if err != nil {
		t.Fatal(err)
	}
	v, err := goruntime.FindVars(f, l, bin.Func)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func save(t *testing.T, name string, m *image, said *truth) {
	t.Helper()
	var b bytes.Buffer
	if err := m.write(&b); err != nil {
		t.Fatal(err)
	}
	text, err := json.MarshalIndent(said, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	for suffix, content := range map[string][]byte{".gz": b.Bytes(), ".json": append(text, '\n')} {
		if err := os.WriteFile(name+suffix, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d pages of the executable and %d of memory in %d bytes", len(m.File.pages), len(m.Memory), b.Len())
}
