// Package goruntime knows how the Go runtime lays out its memory: where in a g is the goroutine's
// id, where its labels, where a thread keeps its g.
//
// None of this is promised by the runtime, and every minor release may move it. There are three
// sources of truth: the DWARF of the very executable, and a table that was made from the DWARF of
// the last patch release of each minor version (zlayout.go). Executables without DWARF are common
// in production and their layout does not differ from that of their unstripped twins, so the
// version in the build information, which stripping leaves alone, finds the row of the table.
// In an executable of an unknown version without DWARF the code of the runtime is asked (derive.go),
// and what it does not say is denied: a wrong offset reads as a plausible number.
package goruntime

import (
	"debug/elf"
	"errors"
	"fmt"
	"io"
)

//go:generate go run ./gen -o zlayout.go

// From values: where the offsets of a Layout come from.
const (
	FromDWARF = "dwarf" // the executable's own debugging information
	FromTable = "table" // zlayout.go, by the minor version
	// or FromCode
)

// UnknownVersionError says that a Go executable's runtime is of a version that the table does not
// know and that there is no DWARF to read either.
type UnknownVersionError struct {
	Version string // "go1.40.2"
	Arch    string // "amd64"
	Err     error  // why DWARF was of no use
}

func (e *UnknownVersionError) Error() string {
	if e.Version == "unknown" { // what garble writes
		return "goruntime: the program does not say which Go release built it, as obfuscated ones (garble) do not: its runtime's layout is not " +
			"known"
	}
	return fmt.Sprintf("goruntime: layout of %s on %s is not known: %v: build the target without -ldflags=-w, or use a newer mayfly",
		e.Version, e.Arch, e.Err)
}

// Unwrap makes the error match errors.ErrUnsupported and the reason.
func (e *UnknownVersionError) Unwrap() []error { return []error{errors.ErrUnsupported, e.Err} }

// Read finds the layout of the Go executable in r, an ELF file. It needs neither symbols nor
// DWARF for the releases that the table knows. The error wraps ErrNotGo, or is an
// *UnknownVersionError.
func Read(r io.ReaderAt) (*Layout, error) { return ReadCode(r, nil) }

// ReadCode is like Read, and knows releases that the table does not by the code of their runtime. fn
// is called only if it is needed; nil is no function at all.
func ReadCode(r io.ReaderAt, fn FindFunc) (*Layout, error) {
	f, l, err := open(r)
	if err != nil {
		return nil, err
	}
	if err := l.readFields(f, fn); err != nil {
		return nil, &UnknownVersionError{l.Version, l.Arch, err}
	}
	return l.finish(f), nil
}

// ReadTable is like Read, and takes the table's row of the minor release for all its patch releases: the sections of DWARF,
// which take 10 to 200 ms to read, are not looked at. It is for those who ask of many files what a release can do.
func ReadTable(r io.ReaderAt) (*Layout, error) {
	f, l, err := open(r)
	if err != nil {
		return nil, err
	}
	known, exact := l.Fields.fromTable(l.Version, l.Minor, l.Arch)
	if !known {
		return nil, &UnknownVersionError{l.Version, l.Arch, errors.New("the table has no such release")}
	}
	if l.From = FromTable; !exact {
		l.Doubt = doubt(l.Version)
	}
	return l.finish(f), nil
}

// open reads the version and the architecture. All fields are None.
func open(r io.ReaderAt) (*elf.File, *Layout, error) {
	f, err := OpenELF(r)
	if err != nil {
		return nil, nil, fmt.Errorf("goruntime: %w: %w", ErrNotGo, err)
	}
	bi, err := BuildInfo(r)
	if err != nil {
		return nil, nil, err
	}
	l := &Layout{Version: bi.GoVersion, Minor: minor(bi.GoVersion)}
	l.Fields.each(func(x field) { *x.offset = None })
	l.Arch, err = arch(f)
	if err != nil {
		return nil, nil, &UnknownVersionError{l.Version, f.Machine.String(), err}
	}
	return f, l, nil
}

func (l *Layout) finish(f *elf.File) *Layout {
	l.Labels = l.labelKind()
	l.TLS, l.TLSFrom = findTLS(f)
	return l
}

// ReadDWARF is like Read but looks into DWARF, and nowhere else, for all structs that the linker
// has not dropped, even for a release that the table knows.
func ReadDWARF(r io.ReaderAt) (*Layout, error) {
	f, l, err := open(r)
	if err != nil {
		return nil, err
	}
	if err := l.fromDWARF(f, infoMost); err != nil {
		return nil, &UnknownVersionError{l.Version, l.Arch, err}
	}
	l.From = FromDWARF
	return l.finish(f), nil
}

// readFields takes the table for the very releases that it was made from. Other patch releases,
// patched and experimental toolchains may differ: for them DWARF has the say, and the table only
// where there is none, or for types that DWARF lacks because the linker found them unused. Without
// DWARF the runtime's code has it, and the table where the code has nothing.
func (l *Layout) readFields(f *elf.File, fn FindFunc) error {
	known, exact := l.Fields.fromTable(l.Version, l.Minor, l.Arch)
	if exact {
		l.From = FromTable
		return nil
	}
	limit := infoMost
	if known {
		limit = infoKnown
	}
	err := l.fromDWARF(f, limit)
	switch {
	case err == nil:
		l.From = FromDWARF
	case known:
		l.From, l.Doubt = FromTable, doubt(l.Version)
		if fn != nil {
			return l.fromCode(f, fn, known)
		}
	case fn != nil:
		if err := l.fromCode(f, fn, known); err != nil {
			return err
		}
	default:
		return err
	}
	return nil
}

func arch(f *elf.File) (string, error) {
	if f.Class == elf.ELFCLASS64 && f.Data == elf.ELFDATA2LSB {
		switch f.Machine {
		case elf.EM_X86_64:
			return "amd64", nil
		case elf.EM_AARCH64:
			return "arm64", nil
		}
	}
	return "", errors.New("only amd64 and arm64 are supported")
}
