// Package export writes profiles in the formats that other tools read. It sees profiles only: it
// knows no process and no source.
//
// To add a format: one file with its Write function, one row in the table below.
package export

import (
	"fmt"
	"io"
	"strings"

	"github.com/google/pprof/profile"
)

// Format is one way to write a profile.
type Format struct {
	Name       string
	Extensions []string // with the dot, lower case, longest first
	Doc        string
	Write      func(io.Writer, *profile.Profile) error
}

var formats = []Format{
	{"pprof", []string{".pb.gz", ".pprof", ".pb"}, "gzip-compressed profile.proto, for go tool pprof and every pprof viewer", writePprof},
	{"folded", []string{".folded", ".collapsed"}, "one stack a line, root first, with its time in ns, for flame graph tools", writeFolded},
}

// Formats returns all formats, the default first.
func Formats() []Format { return append([]Format(nil), formats...) }

// ByName returns the format with the given name.
func ByName(name string) (Format, error) {
	var names []string
	for _, f := range formats {
		if f.Name == name {
			return f, nil
		}
		names = append(names, f.Name)
	}
	return Format{}, fmt.Errorf("format %q: not one of %s", name, strings.Join(names, ", "))
}

// ForFile returns the format that the file's extension asks for, pprof when it asks for none.
func ForFile(path string) Format {
	for _, f := range formats {
		for _, ext := range f.Extensions {
			if strings.HasSuffix(strings.ToLower(path), ext) {
				return f
			}
		}
	}
	return formats[0]
}

func writePprof(w io.Writer, p *profile.Profile) error {
	if err := p.CheckValid(); err != nil {
		return fmt.Errorf("write pprof: %w", err)
	}
	return p.Write(w)
}
