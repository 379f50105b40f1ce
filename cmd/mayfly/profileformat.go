package main

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/pprof/profile"
	"github.com/spf13/cobra"

	"github.com/mayfly-profiler/mayfly/export"
	"github.com/mayfly-profiler/mayfly/internal/page"
)

// profileFlags say in which format a profile is written, and what of it.
type profileFlags struct {
	format string // "": by the extension of the file
	shown  export.Options
}

func (f *profileFlags) define(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.format, "format", "", "`format` of the file: "+formatNames()+" (default by the extension, else pprof)")
	fl.StringVar(&f.shown.Column, "column", "",
		"the `column` that folded writes, and other formats show first (default wall, else the profile's own)")
	fl.StringSliceVar(&f.shown.Labels, "labels", nil,
		"`keys` of labels whose values become frames at the root, for formats without labels: folded, speedscope, firefox")
	cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(strings.Split(formatNames(), ", "), cobra.ShellCompDirectiveNoFileComp))
}

// pageFormat is the page of mayfly view, as a format of profiles.
var pageFormat = export.Format{Name: "html", Extensions: resultExtensions["html"], Write: writePage}

func writePage(w io.Writer, p *profile.Profile, o export.Options) error {
	return page.Write(w, p, page.Options{Title: "mayfly", Column: o.Column, Labels: o.Labels})
}

func formatNames() string {
	var names []string
	for _, f := range append(export.Formats(), pageFormat) {
		names = append(names, f.Name)
	}
	return strings.Join(names, ", ")
}

// of is the format for a file.
func (f *profileFlags) of(path string) (export.Format, error) {
	switch {
	case f.format == pageFormat.Name, f.format == "" && hasExtension(path, pageFormat.Extensions):
		return pageFormat, nil
	case f.format == "":
		return export.ForFile(path), nil
	}
	return export.ByName(f.format)
}

func hasExtension(path string, list []string) bool {
	return slices.ContainsFunc(list, func(ext string) bool { return strings.HasSuffix(strings.ToLower(path), ext) })
}

// write writes a profile to a file.
func (f *profileFlags) write(e *env, path string, p *profile.Profile) error {
	format, err := f.of(path)
	if err != nil {
		return err
	}
	content := contentOf(format.Name)
	if format.Name == pageFormat.Name {
		content = binaryData // what it shows is in it as base64
	}
	return writeOutput(e, output{path, content}, func(w io.Writer) error { return format.Write(w, p, f.shown) })
}

// writeProfile writes a profile in the format that the file's extension asks for.
func writeProfile(e *env, path string, p *profile.Profile) error {
	return new(profileFlags).write(e, path, p)
}

// extension is how the name of a file with a profile ends: as that of a format does, which may have two dots, or with
// what is behind the last dot.
func extension(path string) string {
	for _, ext := range export.ForFile(path).Extensions {
		if n := len(path) - len(ext); n >= 0 && strings.EqualFold(path[n:], ext) {
			return path[n:]
		}
	}
	return filepath.Ext(path)
}

// checkColumn refuses a column that a recording in a mode will not have.
func (f *profileFlags) checkColumn(columns []string) error {
	if f.shown.Column == "" || slices.Contains(columns, f.shown.Column) {
		return nil
	}
	return fmt.Errorf("--column %q: not %s", f.shown.Column, strings.Join(columns, ", "))
}

// viewExtensions are those of all formats, the page's first.
func viewExtensions() []string {
	list := slices.Clone(resultExtensions["html"])
	for _, f := range export.Formats() {
		list = append(list, f.Extensions...)
	}
	return list
}
