package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// A recording that took ten minutes must not end as half a file, nor destroy the good file of
// yesterday. So a file is written under a temporary name in the same folder, synced and then
// renamed: readers see the old one or the whole new one. "-" is stdout. What exists and is no
// regular file (a pipe, /dev/null) is written to as it is: renaming would replace the device.

// checkOutput finds out before a recording begins whether path can be written to after it.
func checkOutput(path string) error {
	if path == "-" {
		return nil
	}
	path, direct, err := outputPath(path)
	if err != nil || direct {
		return err
	}
	f, err := createTemp(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// writeOutput has write fill the file at path, or stdout for "-". If anything fails, the file
// that was there before is untouched.
func writeOutput(e *env, path string, write func(io.Writer) error) error {
	if path == "-" {
		return write(e.stdout)
	}
	path, direct, err := outputPath(path)
	if err != nil {
		return err
	}
	if direct {
		return writeDirect(path, write)
	}
	f, err := createTemp(path)
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone already when all went well
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return writeError(path, err)
	}
	syncDir(filepath.Dir(path))
	return nil
}

// outputPath follows symbolic links, so that the file is replaced and not the link to it, and
// says whether path is to be opened as it is.
func outputPath(path string) (_ string, direct bool, err error) {
	if path == "" {
		return "", false, errors.New("output: the file name is empty, use - for stdout")
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	st, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return path, false, nil
	case err != nil:
		return "", false, writeError(path, err)
	case st.IsDir():
		return "", false, fmt.Errorf("write %s: is a folder, name a file in it", path)
	}
	return path, !st.Mode().IsRegular(), nil
}

func writeDirect(path string, write func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return writeError(path, err)
	}
	err = write(f)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return writeError(path, err)
	}
	return nil
}

// createTemp creates a file beside path, with the rights that a plain create would give.
func createTemp(path string) (*os.File, error) {
	dir, base := filepath.Split(path)
	f, err := os.OpenFile(filepath.Join(dir, "."+base+"."+rand.Text()[:8]), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return nil, writeError(path, err)
	}
	return f, nil
}

// writeError names the file that was asked for and not the temporary one.
func writeError(path string, err error) error {
	return fmt.Errorf("write %s: %w", path, cause(err))
}

// cause is an error of the file system without the path, which the message has already.
func cause(err error) error {
	var pe *fs.PathError
	var le *os.LinkError
	switch {
	case errors.As(err, &pe):
		return pe.Err
	case errors.As(err, &le):
		return le.Err
	}
	return err
}

// syncDir makes the rename durable where folders can be synced; where they cannot, it is as
// durable as the system makes it.
func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync()
		_ = d.Close()
	}
}
