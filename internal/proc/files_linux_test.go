package proc

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// A target maps something else between two system calls of ours, here a pipe that nobody writes to: it is never opened.
func TestOpenRegularIsNoRace(t *testing.T) {
	dir := t.TempDir()
	file, pipe, link := filepath.Join(dir, "file"), filepath.Join(dir, "pipe"), filepath.Join(dir, "link")
	if err := errors.Join(os.WriteFile(file, nil, 0o600), syscall.Mkfifo(pipe, 0o600), os.Symlink(file, link)); err != nil {
		t.Fatal(err)
	}
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for i := 0; ; i++ {
			select {
			case <-end:
				return
			default:
			}
			next := filepath.Join(dir, "next")
			os.Symlink([]string{file, pipe}[i%2], next)
			os.Rename(next, link)
		}
	}()
	defer func() { close(end); <-ended }()
	hung := time.AfterFunc(20*time.Second, func() { panic("a pipe was opened") })
	defer hung.Stop()
	var opened, refused int
	for begin := time.Now(); time.Since(begin) < 300*time.Millisecond || opened == 0 || refused == 0; {
		f, err := openRegular(link)
		switch {
		case err == nil:
			opened++
			if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
				t.Fatalf("opened a %v, %v", st.Mode(), err)
			}
			f.Close()
		case errors.Is(err, fs.ErrInvalid):
			refused++
		default:
			t.Fatal(err)
		}
	}
}

// A small file is read whole, whatever its size, up to the bound.
func TestReadSmall(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	for _, size := range []int{0, 511, 512, 513, 100_000, maxSmallFile, maxSmallFile + 9} {
		want := min(size, maxSmallFile)
		text := bytes.Repeat([]byte("0123456789abcdef!"), size/17+1)[:size]
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := readSmall(path); err != nil || !bytes.Equal(got, text[:want]) {
			t.Errorf("%d of %d bytes, %v", len(got), want, err)
		}
	}
	if _, err := readSmall(path + "x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}
