package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/term"
)

// output is where a result goes: stdout, or a file that gets its name when it is whole, for its owner only.
type output struct {
	w    io.Writer
	n    int64
	path string
	file *os.File // nil: stdout
	temp string   // its name until then; "": it is a device, which has its name
}

// openOutput finds out before a container is added whether the result can be written.
func openOutput(e *env, r *request) (*output, error) {
	o := &output{path: r.output}
	switch {
	case r.output == "": // text of mayfly's
		o.w = &printer{w: e.stdout, left: mostSent}
		return o, nil
	case r.output == "-" && isTerminal(e.stdout):
		return nil, usagef("%s: a profile is no text: -o FILE, or -o - into a pipe", r.command)
	case r.output == "-":
		o.w = e.stdout
		return o, nil
	}
	err := o.create()
	o.w = o.file
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", r.output, cause(err))
	}
	return o, nil
}

func (o *output) create() (err error) {
	st, err := os.Stat(o.path)
	switch {
	case err == nil && st.IsDir():
		return errors.New("is a folder, name a file in it")
	case err == nil && !st.Mode().IsRegular():
		o.file, err = os.OpenFile(o.path, os.O_WRONLY, 0)
		return err
	}
	dir, base := filepath.Split(o.path)
	if dir == "" {
		dir = "."
	}
	if o.file, err = os.CreateTemp(dir, "."+base+".*"); err == nil {
		o.temp = o.file.Name()
	}
	return err
}

func (o *output) Write(b []byte) (int, error) {
	n, err := o.w.Write(b)
	o.n += int64(n)
	if err != nil {
		return n, fmt.Errorf("write %s: %w", o.path, cause(err))
	}
	return n, nil
}

// commit gives the file its name.
func (o *output) commit() error {
	if o.temp == "" {
		return nil
	}
	err := o.file.Sync()
	err = errors.Join(err, o.file.Close())
	if err == nil {
		err = os.Rename(o.temp, o.path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", o.path, cause(err))
	}
	o.temp = ""
	return nil
}

// discard removes the file if it did not get its name.
func (o *output) discard() {
	if o.file != nil {
		o.file.Close()
	}
	if o.temp != "" {
		os.Remove(o.temp)
	}
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

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
