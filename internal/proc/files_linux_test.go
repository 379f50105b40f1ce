package proc

import (
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
