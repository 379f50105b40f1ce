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
	if err := checkOutput(path); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, dir)
	for range 2 { // a new file, then over an old one
		if err := writeOutput(&env{}, path, hello); err != nil {
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
	err := writeOutput(&env{}, path, func(w io.Writer) error {
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
		_ = writeOutput(&env{}, filepath.Join(dir, "out"), func(io.Writer) error { panic("encoder") })
	}()
	wantFiles(t, dir)
}

func TestOutputRefuses(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{"", dir, filepath.Join(dir, "no", "such", "folder")} {
		if err := checkOutput(path); err == nil {
			t.Errorf("checkOutput(%q) = nil", path)
		}
		if err := writeOutput(&env{}, path, hello); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("writeOutput(%q) = %v, want an error of one line", path, err)
		}
	}
	wantFiles(t, dir)
}

func TestWriteOutputStdout(t *testing.T) {
	var out bytes.Buffer
	if err := checkOutput("-"); err != nil {
		t.Error(err)
	}
	if err := writeOutput(&env{stdout: &out}, "-", hello); err != nil || out.String() != "hello" {
		t.Errorf("stdout = %q, %v", out.String(), err)
	}
}

// TestWriteOutputDevice shows that what is no regular file is written to and not replaced.
func TestWriteOutputDevice(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // has no device files
	}
	if err := checkOutput(os.DevNull); err != nil {
		t.Error(err)
	}
	if err := writeOutput(&env{}, os.DevNull, hello); err != nil {
		t.Error(err)
	}
	if st, err := os.Stat(os.DevNull); err != nil || st.Mode().IsRegular() {
		t.Fatalf("%s was replaced: %v, %v", os.DevNull, st, err)
	}
	if _, err := os.Stat("/dev/full"); err == nil {
		if err := writeOutput(&env{}, "/dev/full", hello); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("writing to a full device: %v, want ENOSPC", err)
		}
	}
}

// TestWriteOutputLink shows that the file behind a link is replaced, and the link stays.
func TestWriteOutputLink(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "out"), filepath.Join(dir, "link")
	if err := os.WriteFile(path, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path, link); err != nil {
		return // this system has no links for us
	}
	if err := writeOutput(&env{}, link, hello); err != nil {
		t.Fatal(err)
	}
	wantFile(t, path, "hello")
	if st, err := os.Lstat(link); err != nil || st.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link was replaced: %v, %v", st, err)
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
