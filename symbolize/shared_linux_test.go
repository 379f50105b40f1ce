package symbolize

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/symbolize/internal/fixture"
)

// What is known of a file that is open is found once, whatever the path it is opened by, until the last one closes it.
func TestSharedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	write := func(size uint32) {
		t.Helper()
		funcs := []fixture.Func{{Name: "main.main", File: "main.go", Size: size}, {Name: "main.f", File: "main.go", Size: 16}}
		if err := os.WriteFile(path, fixture.Binary{Funcs: funcs}.ELF(), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	open := func(path string) *object {
		t.Helper()
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		o, err := openFiles.open(path, f)
		if err != nil || o.golang == nil {
			t.Fatalf("%+v, %v", o, err)
		}
		return o
	}
	write(16)
	young := open(path)
	defer young.close()
	if young.shared != (proc.FileID{}) {
		t.Error("shared as soon as it was written: what is written next could have the same time")
	}
	settle(t, path)
	other := path + "2"
	if err := os.Link(path, other); err != nil {
		t.Fatal(err)
	}
	settle(t, path) // a link more is a change, too
	a := open(path)
	b := open(other)
	if a.shared != b.shared || &a.elf.Loads[0] != &b.elf.Loads[0] {
		t.Error("the same file was read twice")
	}
	for _, o := range []*object{a, b} {
		if fr := o.resolve(nil, fixture.Text+20); len(fr) == 0 || fr[0].Func != "main.f" {
			t.Errorf("%s: %+v", o.base, fr)
		}
	}
	if x, err := OpenGo(b.file); err != nil || x.elf == b.elf || &x.elf.Loads[0] != &a.elf.Loads[0] {
		t.Errorf("OpenGo reads it again, %v", err)
	}
	write(32)
	settle(t, path)
	c := open(path)
	if fr := c.resolve(nil, fixture.Text+20); len(fr) == 0 || fr[0].Func != "main.main" {
		t.Errorf("what was written since: %+v", fr)
	}
	ids := []proc.FileID{a.shared, c.shared}
	a.close()
	if openFiles.all[ids[0]] == nil {
		t.Error("forgotten, and one has it open")
	}
	b.close()
	c.close()
	for _, id := range ids {
		if openFiles.all[id] != nil {
			t.Error("known, and nobody has it open")
		}
	}
}

// settle waits until a file is told from what it becomes.
func settle(t *testing.T, path string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if _, ok := proc.Identify(f); ok {
			return
		}
	}
	t.Fatal("it is never settled")
}
