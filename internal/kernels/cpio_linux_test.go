//go:build kernels

package kernels

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// An archive is what the kernel unpacks into its first file system: cpio in the format newc
// (Documentation/driver-api/early-userspace/buffer-format.rst).
type archive struct {
	w     io.Writer
	err   error
	inode int
	made  map[string]bool // folders
}

const trailer = "TRAILER!!!"

func newArchive(w io.Writer) *archive { return &archive{w: w, made: map[string]bool{".": true}} }

// entry writes one file, folder or link, and the folders that it lies in before.
func (a *archive) entry(name string, mode uint32, content []byte) {
	if dir := filepath.Dir(name); !a.made[dir] {
		a.made[dir] = true
		a.entry(dir, 0o40755, nil)
	}
	a.inode++
	head := fmt.Sprintf("070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00",
		a.inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name)+1, 0, name)
	for _, part := range [2][]byte{[]byte(head), content} {
		if a.err == nil {
			_, a.err = a.w.Write(append(part[:len(part):len(part)], make([]byte, -len(part)&3)...))
		}
	}
}

func (a *archive) text(name, content string) { a.entry(name, 0o100644, []byte(content)) }

func (a *archive) link(name, to string) { a.entry(name, 0o120777, []byte(to)) }

// file puts an executable or another file into the archive.
func (a *archive) file(name, from string) {
	content, err := os.ReadFile(from)
	a.err = errors.Join(a.err, err)
	a.entry(name, 0o100755, content)
}

// folder puts a folder and all below it into the archive, if it is there.
func (a *archive) folder(name, from string) {
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			rel, _ := filepath.Rel(from, path)
			a.file(filepath.Join(name, rel), path)
		}
		return err
	})
	if !errors.Is(err, fs.ErrNotExist) {
		a.err = errors.Join(a.err, err)
	}
}

func (a *archive) close() error {
	a.inode = -1
	a.entry(trailer, 0, nil)
	return a.err
}

// TestArchive holds the headers against the format's description: 110 bytes, names and contents from multiples of 4 on.
func TestArchive(t *testing.T) {
	var b bytes.Buffer
	a := newArchive(&b)
	a.text("etc/a", "12345")
	if err := a.close(); err != nil {
		t.Fatal(err)
	}
	var names []string
	for p := b.Bytes(); len(p) > 0; {
		var size, length int
		if _, err := fmt.Sscanf(string(p[54:62])+" "+string(p[94:102]), "%x %x", &size, &length); err != nil || string(p[:6]) != "070701" {
			t.Fatalf("%q: %v", p[:110], err)
		}
		names = append(names, string(p[110:110+length-1]))
		at := (110 + length + 3) &^ 3
		if content := string(p[at : at+size]); size > 0 && content != "12345" {
			t.Errorf("content = %q", content)
		}
		p = p[(at+size+3)&^3:]
	}
	if fmt.Sprint(names) != "[etc etc/a "+trailer+"]" {
		t.Errorf("names = %q", names)
	}
}
