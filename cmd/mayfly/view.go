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
	"github.com/mayfly-profiler/mayfly/internal/samples"
	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

// viewFlags is the command line of view.
type viewFlags struct {
	output, column string
	request        string
	labels         []string
	files          []string
}

func viewCommand(e *env) *cobra.Command {
	var f viewFlags
	cmd := &cobra.Command{
		Use:     "view FILE...",
		GroupID: groupRead,
		Short:   "Write a page to look at a profile in the browser, or another format",
		Long: `View writes a profile, any pprof file, as one HTML page: flame graphs by label and state, by each
of its sample types, with filters, search and a table. The page works from the file system and
asks the network for nothing. Several files are added up, as go tool pprof does.

Any other extension of --output writes another format; record --output has the same.`,
		Example: `  mayfly view -o page.html mayfly.pb.gz
  mayfly view --column wall --labels endpoint,go.state -o page.html mayfly.pb.gz
  mayfly view -o heap.html heap.pb.gz
  mayfly view -o all.folded 1.pb.gz 2.pb.gz`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			f.files = args
			return runView(e, &f)
		},
	}
	fl := cmd.Flags()
	fl.StringVarP(&f.output, "output", "o", "page.html", "`file` to write, - for stdout; its extension picks the format")
	fl.StringVar(&f.column, "column", "", "sample `type` to begin with, such as wall (default the profile's)")
	fl.StringSliceVar(&f.labels, "labels", nil, "`keys` of labels that stand before the stacks at first (default the page's choice)")
	fl.StringVar(&f.request, "request", "", requestUsage)
	return cmd
}

// pageExtensions are those of the page, "-" is stdout.
var pageExtensions = append([]string{"-"}, resultExtensions["html"]...)

func runView(e *env, f *viewFlags) error {
	isPage := slices.ContainsFunc(pageExtensions, func(ext string) bool { return strings.HasSuffix(strings.ToLower(f.output), ext) })
	format := export.ForFile(f.output)
	if !isPage && !slices.ContainsFunc(format.Extensions, func(ext string) bool { return strings.HasSuffix(strings.ToLower(f.output), ext) }) {
		return usagef("view: output %s: its extension is none of %s", f.output, strings.Join(viewExtensions(), ", "))
	}
	if err := checkOutput(e, f.output); err != nil {
		return err
	}
	write, err := f.writer(format, isPage)
	if err != nil {
		return err
	}
	if err := writeOutput(e, output{f.output, binaryData}, write); err != nil {
		return err
	}
	if f.output != "-" {
		e.say("%s", f.output)
	}
	return nil
}

func viewExtensions() []string {
	list := slices.Clone(resultExtensions["html"])
	for _, f := range export.Formats() {
		list = append(list, f.Extensions...)
	}
	return list
}

// writer reads the files, and returns what writes them in the format of the output.
func (f *viewFlags) writer(format export.Format, isPage bool) (func(io.Writer) error, error) {
	if isPage {
		b, err := f.page()
		if err != nil {
			return nil, err
		}
		return b.Write, nil
	}
	var all []*profile.Profile
	for _, path := range f.files {
		p, err := readProfile(path)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	merged, err := profile.Merge(all)
	if err != nil {
		return nil, fmt.Errorf("view: %w", err)
	}
	shown := export.Options{Column: f.column, Labels: f.labels}
	return func(w io.Writer) error { return format.Write(w, merged, shown) }, nil
}

// page adds the files up, one sample at a time.
func (f *viewFlags) page() (*page.Builder, error) {
	title := filepath.Base(f.files[0])
	if n := len(f.files); n > 1 {
		title += fmt.Sprintf(" and %d more", n-1)
	}
	requests, err := timeline.ParseSelector(f.request)
	if err != nil {
		return nil, usagef("view: %w", err)
	}
	b := page.New(page.Options{Title: title, Column: f.column, Labels: f.labels, Requests: requests})
	for _, path := range f.files {
		err := withFile(path, func(r io.Reader) error {
			file, err := samples.Open(r, path)
			if err != nil {
				return err
			}
			if err := b.Add(file.Head, file.Each()); err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			if err := file.Err(); err != nil || len(f.files) > 1 {
				return err
			}
			if err := b.AddLanes(file.Head, file.Each()); err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			return file.Err()
		})
		if err != nil {
			return nil, err
		}
	}
	if f.column != "" && !slices.Contains(b.Columns(), f.column) {
		return nil, usagef("view: column %q: not one of %s", f.column, strings.Join(b.Columns(), ", "))
	}
	return b, nil
}
