package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/printable"
	"github.com/mayfly-profiler/mayfly/profiler"
)

// A recording that took ten minutes must not end as half a file, nor destroy the good file of
// yesterday. So a file is written under a temporary name in the same folder, synced and then
// renamed: readers see the old one or the whole new one. "-" is stdout.
//
// mayfly runs as root in folders where others may write too, such as /tmp. So a symbolic link is
// replaced and never followed, whoever made it; files are for their owner only, since label values,
// addresses of peers and of the kernel are in them; and a pipe of somebody else is not written to.

// content says what is written: what stands in text must not reach a terminal as it is.
type content int

const (
	binaryData content = iota
	plainText
	jsonText
)

// contentOf tells the content of a format by its name.
func contentOf(format string) content {
	switch format {
	case "pprof", "otlp", "perfetto":
		return binaryData
	case "json", "speedscope", "firefox":
		return jsonText
	}
	return plainText
}

// writer returns w fit for the content.
func (c content) writer(w io.Writer) io.Writer {
	switch c {
	case binaryData:
		return raw(w)
	case jsonText:
		return printable.NewJSON(raw(w))
	}
	return printable.NewText(raw(w))
}

// output is a place to write to.
type output struct {
	path    string
	content content
}

// checkOutput finds out before a recording begins whether path can be written to after it. A folder that is missing is made
// only then: here it is enough that something can be made in its place.
func checkOutput(e *env, path string) error {
	if path == "-" {
		return nil
	}
	direct, err := stat(e, path)
	if err != nil || direct {
		return err
	}
	f, err := newFile(e, firstMissing(path))
	if err != nil {
		return err
	}
	f.discard()
	return nil
}

// writeOutput has write fill the file at o.path, or stdout for "-". If anything fails, the file
// that was there before is untouched.
func writeOutput(e *env, o output, write func(io.Writer) error) error {
	if o.path == "-" {
		return write(o.content.writer(e.stdout))
	}
	direct, err := stat(e, o.path)
	if err != nil {
		return err
	}
	if direct {
		return writeDirect(e, o, write)
	}
	f, err := newFile(e, o.path)
	if err != nil {
		return err
	}
	defer f.discard() // nothing is left of it when all went well
	giveToCaller(e, f.File)
	if err := write(o.content.writer(f.File)); err != nil {
		return writeError(o.path, err)
	}
	return f.commit()
}

// stat says whether what is at path is to be written to as it is: a device, or a pipe of one's own.
func stat(e *env, path string) (direct bool, err error) {
	if path == "" {
		return false, errors.New("output: the file name is empty, use - for stdout")
	}
	stat := os.Lstat
	if ofSystem(path) {
		stat = os.Stat // /dev/stdout, /dev/fd/63
	}
	st, err := stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !ofSystem(path):
		return false, nil
	case err != nil:
		return false, writeError(path, err)
	case st.IsDir():
		return false, fmt.Errorf("write %s: is a folder, name a file in it", path)
	case ofSystem(path):
		return true, nil
	case st.Mode().IsRegular(), st.Mode()&fs.ModeSymlink != 0:
		return false, nil
	case !ours(e, st):
		return false, fmt.Errorf("write %s: is a %s that belongs to somebody else: name another file", path, kindOf(st.Mode()))
	}
	return true, nil
}

// writeDirect writes to a device or a pipe. It does not wait for the reader of a pipe: where there is none the
// recording would never end.
func writeDirect(e *env, o output, write func(io.Writer) error) error {
	f, err := os.OpenFile(o.path, os.O_WRONLY|openFlags(o.path), 0)
	if err != nil {
		return writeError(o.path, noReader(err))
	}
	if st, serr := f.Stat(); serr != nil || !ofSystem(o.path) && !ours(e, st) {
		err = errors.Join(serr, fs.ErrPermission) // it is not what stat saw
	} else {
		err = write(o.content.writer(f))
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return writeError(o.path, err)
	}
	return nil
}

// newOutput is a file that does not have its name yet.
type newOutput struct {
	*os.File
	dir        *os.Root
	temp, path string
}

// newFile creates a file in the folder of path, for its owner only. The folder is made where it is missing, and opened once:
// what is made and renamed is in it, wherever its name leads to later.
func newFile(e *env, path string) (*newOutput, error) {
	dir, base := filepath.Split(path)
	root, err := makeFolder(e, filepath.Clean(dir))
	if err != nil {
		return nil, writeError(path, err)
	}
	f := &newOutput{dir: root, temp: "." + base + "." + rand.Text()[:8], path: path}
	if f.File, err = root.OpenFile(f.temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
		root.Close()
		return nil, writeError(path, err)
	}
	return f, nil
}

// commit gives the file its name.
func (f *newOutput) commit() error {
	err := f.Sync()
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = f.dir.Rename(f.temp, filepath.Base(f.path))
	}
	if err != nil {
		return writeError(f.path, err)
	}
	f.temp = ""
	f.syncDir()
	return nil
}

// discard removes the file if it did not get its name.
func (f *newOutput) discard() {
	f.Close()
	if f.temp != "" {
		f.dir.Remove(f.temp)
	}
	f.dir.Close()
}

// syncDir makes the rename durable where folders can be synced; where they cannot, it is as
// durable as the system makes it.
func (f *newOutput) syncDir() {
	if d, err := f.dir.Open("."); err == nil {
		_ = d.Sync()
		_ = d.Close()
	}
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

// rescued is why a recording could not be written to where it was to go, and where it is.
type rescued struct {
	why  error
	path string
}

func (r *rescued) Error() string { return fmt.Sprintf("%v: the recording is in %s", r.why, r.path) }
func (r *rescued) Unwrap() error { return r.why }

// rescue writes a recording that could not be written to where it was to go, on a full disk for instance, to the folder for
// temporary files. The error is a *rescued if that went well.
func rescue(e *env, path string, rec *profiler.Recording, why error) error {
	if path == "-" || ofSystem(path) {
		return why
	}
	now := time.Now().UTC().Format("20060102T150405.000Z")
	other := filepath.Join(os.TempDir(), fmt.Sprintf("mayfly-%d-%s.pb.gz", os.Getpid(), now))
	if err := writeOutput(e, output{path: other}, rec.Profile.Write); err != nil {
		return why
	}
	return &rescued{why, other}
}
