package diff

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// Format is one way to write a comparison.
type Format struct {
	Name   string
	Doc    string
	Stacks bool // wants the profiles themselves
	Write  func(io.Writer, *Document) error
}

var formats = []Format{
	{"text", "a table like benchstat's", false, writeText},
	{"markdown", "a comment for a pull request: verdict first, at most ten rows, the rest folded", false, writeMarkdown},
	{"json", "all numbers, one object", false, writeJSON},
	{"html", "one page with a differential flame graph; needs no network", true, writeHTML},
	{"pprof", "the difference as a profile, for go tool pprof", true, writePprof},
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

func writeJSON(w io.Writer, d *Document) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(d.Result)
}
