package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mayfly-profiler/mayfly/export"
	"github.com/mayfly-profiler/mayfly/internal/page"
	"github.com/mayfly-profiler/mayfly/internal/samples"
)

func viewCommand(e *env) *cobra.Command {
	var f viewFlags
	cmd := &cobra.Command{
		Use:     "view FILE...",
		GroupID: groupRead,
		Short:   "Write a page to look at a profile in the browser, or another format",
		Long: `View writes a profile, any pprof file or execution trace, as one HTML page: flame graphs by label
and state, by each of its sample types, with filters, search and a table. Of a recording with
--timeline and of a trace it also has windows of time, two of them compared, and the slowest
requests. The page works from the file system and asks the network for nothing. Several files
are added up, as go tool pprof does.

Any other extension of --output writes another format; record --output has the same.`,
		Example: `  mayfly view -o page.html mayfly.pb.gz
  mayfly view --column wall --labels endpoint,go.state -o page.html mayfly.pb.gz
  mayfly view -o heap.html heap.pb.gz
  mayfly view -o all.folded 1.pb.gz 2.pb.gz
  mayfly view --serve localhost:8080 large.pb.gz`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.memory < 1 {
				return usagef("view: --memory-limit %d: at least 1 MiB", f.memory)
			}
			f.files = args
			if f.serve != "" {
				return serveView(cmd.Context(), e, &f)
			}
			return runView(e, &f)
		},
	}
	fl := cmd.Flags()
	fl.StringVarP(&f.output, "output", "o", "page.html", "`file` to write, - for stdout; its extension picks the format")
	fl.StringVar(&f.column, "column", "", "sample `type` to begin with, such as wall (default the profile's)")
	fl.StringSliceVar(&f.labels, "labels", nil, "`keys` of labels that stand before the stacks at first (default the page's choice)")
	fl.StringVar(&f.request, "request", "", requestUsage)
	fl.IntVar(&f.memory, "memory-limit", samples.DefaultMost>>20, "memory that what the files have may take for formats other than the page, "+
		"in `MiB`")
	fl.StringVar(&f.serve, "serve", "", "`address` on loopback, such as localhost:8080, to serve the page at instead of writing it; "+
		"for recordings that are too large for a file, and with ten times as many requests and goroutines")
	cmd.MarkFlagsMutuallyExclusive("serve", "output")
	return cmd
}

func runView(e *env, f *viewFlags) error {
	isPage := f.output == "-" || hasExtension(f.output, pageFormat.Extensions)
	format := export.ForFile(f.output)
	if !isPage && !hasExtension(f.output, format.Extensions) {
		return usagef("view: output %s: its extension is none of %s", f.output, strings.Join(viewExtensions(), ", "))
	}
	if err := checkOutput(e, f.output); err != nil {
		return err
	}
	write, err := f.writer(format, isPage)
	if err != nil {
		return err
	}
	for _, m := range f.missing {
		e.warn("%s", m)
	}
	content := contentOf(format.Name)
	if isPage {
		content = binaryData // what it shows is in it as base64
	}
	if err := writeOutput(e, output{f.output, content}, write); err != nil {
		return err
	}
	if f.output != "-" {
		e.say("%s", f.output)
	}
	return nil
}

// servedLanes are how many requests and goroutines a served page has.
const servedLanes = 1000

// serveView serves the page until it is interrupted.
func serveView(ctx context.Context, e *env, f *viewFlags) error {
	host, _, err := net.SplitHostPort(f.serve)
	if err != nil || !page.IsLoopback(host) {
		return usagef("view: --serve %s: want localhost:PORT, or a loopback address with a port", f.serve)
	}
	b, err := f.page(servedLanes)
	if err != nil {
		return err
	}
	path, handler, err := b.Handler()
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", f.serve)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	e.say("http://%s%s, until Ctrl-C", l.Addr(), path)
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
