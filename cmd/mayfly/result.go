package main

import (
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mayfly-profiler/mayfly/internal/render"
)

// jsonUsage is the help of --json where a command has no other formats.
const jsonUsage = "print the result as JSON"

// resultExtensions are those of files in each format of a result.
var resultExtensions = map[string][]string{
	"text":     {".txt"},
	"markdown": {".md", ".markdown"},
	"json":     {".json"},
	"html":     {".html", ".htm"},
	"pprof":    {".pb.gz", ".pprof", ".pb"},
}

// resultFlags say where a result goes and in which format. They mean the same on each command that has them.
type resultFlags struct {
	command        string // whose they are
	output, format string
	formats        []string // the default first
}

func (f *resultFlags) define(cmd *cobra.Command, formats ...string) {
	f.command, f.formats = cmd.Name(), formats
	fl := cmd.Flags()
	fl.StringVarP(&f.output, "output", "o", "-", "`file` to write, - for stdout; its extension picks the format")
	fl.StringVar(&f.format, "format", "", "`format` of the result: "+strings.Join(formats, ", ")+
		" (default by the extension, else "+formats[0]+")")
	fl.BoolFunc("json", "the same as --format json", f.setJSON)
	cmd.MarkFlagsMutuallyExclusive("json", "format")
	cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
}

// setJSON takes --json, and --json=false.
func (f *resultFlags) setJSON(value string) error {
	on, err := strconv.ParseBool(value)
	if on {
		f.format = "json"
	}
	return err
}

// check settles the format, and refuses one that the command does not have.
func (f *resultFlags) check() error {
	if f.format == "" {
		f.format = f.byExtension()
	}
	if !slices.Contains(f.formats, f.format) {
		return usagef("%s: format %q: not %s", f.command, f.format, strings.Join(f.formats, ", "))
	}
	return nil
}

// writeResult writes a result to where the flags say, in their format.
func writeResult[T any](e *env, f *resultFlags, formats render.Formats[T], result T) error {
	return writeOutput(e, output{f.output, contentOf(f.format)}, func(w io.Writer) error { return formats.Write(w, f.format, result) })
}

func (f *resultFlags) byExtension() string {
	for _, format := range f.formats {
		for _, ext := range resultExtensions[format] {
			if strings.HasSuffix(strings.ToLower(f.output), ext) {
				return format
			}
		}
	}
	return f.formats[0]
}
