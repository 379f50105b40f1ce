package main

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

func hello(w io.Writer) error {
	_, err := io.WriteString(w, "hello")
	return err
}

func TestWriteOutput(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out.pb.gz")
	if err := checkOutput(&env{}, path); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, dir)
	for range 2 { // a new file, then over an old one
		if err := writeOutput(&env{}, output{path: path}, hello); err != nil {
			t.Fatal(err)
		}
		wantFile(t, path, "hello")
	}
	wantFiles(t, dir, "out.pb.gz")
}

// TestWriteOutputFails shows that a failure keeps the old file and leaves nothing behind.
func TestWriteOutputFails(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out")
	if err := os.WriteFile(path, []byte("old"), 0o666); err != nil {
		t.Fatal(err)
	}
	err := writeOutput(&env{}, output{path: path}, func(w io.Writer) error {
		_ = hello(w)
		return &fs.PathError{Op: "write", Path: ".out.GARBLED", Err: syscall.ENOSPC}
	})
	if !errors.Is(err, syscall.ENOSPC) || strings.Contains(err.Error(), "GARBLED") || !strings.Contains(err.Error(), path) {
		t.Errorf("error = %v, want one that names %s only and wraps ENOSPC", err, path)
	}
	wantFile(t, path, "old")
	wantFiles(t, dir, "out")
}

func TestWriteOutputPanics(t *testing.T) {
	dir := t.TempDir()
	func() {
		defer func() { _ = recover() }()
		_ = writeOutput(&env{}, output{path: filepath.Join(dir, "out")}, func(io.Writer) error { panic("encoder") })
	}()
	wantFiles(t, dir)
}

func TestOutputRefuses(t *testing.T) {
	dir, file := t.TempDir(), filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"", dir, filepath.Join(file, "in", "a", "file")} {
		if err := checkOutput(&env{}, path); err == nil {
			t.Errorf("checkOutput(&env{}, %q) = nil", path)
		}
		if err := writeOutput(&env{}, output{path: path}, hello); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("writeOutput(%q) = %v, want an error of one line", path, err)
		}
	}
	wantFiles(t, dir)
}

// TestWriteOutputMakesFolders: a folder that is missing is made with the file and not by the check before a recording.
func TestWriteOutputMakesFolders(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for _, path := range []string{"new/1.pb.gz", "kept/./a/b/1.pb.gz", filepath.Join(dir, "abs", "1.pb.gz")} {
		if err := checkOutput(&env{}, path); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(filepath.Dir(path)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("checkOutput has made the folder of %s (%v)", path, err)
		}
		for range 2 { // the second time it is there
			if err := writeOutput(&env{}, output{path: path}, hello); err != nil {
				t.Fatal(err)
			}
		}
		wantFile(t, path, "hello")
		wantFiles(t, filepath.Dir(path), "1.pb.gz")
		if st, err := os.Stat(filepath.Dir(path)); err != nil || runtime.GOOS != "windows" && st.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v, want mode 0700", path, st.Mode(), err)
		}
	}
	wantFiles(t, dir, "abs", "kept", "new")
}

func TestWriteOutputStdout(t *testing.T) {
	var out bytes.Buffer
	if err := checkOutput(&env{}, "-"); err != nil {
		t.Error(err)
	}
	if err := writeOutput(&env{stdout: &out}, output{path: "-"}, hello); err != nil || out.String() != "hello" {
		t.Errorf("stdout = %q, %v", out.String(), err)
	}
}

// TestWriteOutputDevice shows that what is no regular file is written to and not replaced.
func TestWriteOutputDevice(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // has no device files
	}
	if err := checkOutput(&env{}, os.DevNull); err != nil {
		t.Error(err)
	}
	if err := writeOutput(&env{}, output{path: os.DevNull}, hello); err != nil {
		t.Error(err)
	}
	if st, err := os.Stat(os.DevNull); err != nil || st.Mode().IsRegular() {
		t.Fatalf("%s was replaced: %v, %v", os.DevNull, st, err)
	}
	if _, err := os.Stat("/dev/full"); err == nil {
		if err := writeOutput(&env{}, output{path: "/dev/full"}, hello); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("writing to a full device: %v, want ENOSPC", err)
		}
	}
}

// TestWriteOutputLink shows that a link is replaced, whoever made it, and that what it leads to stays as it was.
func TestWriteOutputLink(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "important"), filepath.Join(dir, "mayfly.pb.gz")
	if err := os.WriteFile(path, []byte("important"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{path, filepath.Join(dir, "nowhere")} {
		if err := os.Symlink(to, link); err != nil {
			return // this system has no links for us
		}
		if err := checkOutput(&env{}, link); err != nil {
			t.Error(err)
		}
		if err := writeOutput(&env{}, output{path: link}, hello); err != nil {
			t.Fatal(err)
		}
		wantFile(t, path, "important")
		wantFile(t, link, "hello")
		wantFiles(t, dir, "important", "mayfly.pb.gz")
		if err := os.Remove(link); err != nil {
			t.Fatal(err)
		}
	}
}

func wantFile(t *testing.T, path, want string) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("%s = %q, %v, want %q", path, got, err, want)
	}
}

func wantFiles(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("files = %q, want %q", got, want)
	}
}
