// Package fgprof has the API of github.com/felixge/fgprof and mayfly's engines behind it. A service
// that uses fgprof changes one import:
//
//	import "github.com/mayfly-profiler/mayfly/profiler/fgprof"
//
//	http.DefaultServeMux.Handle("/debug/fgprof", fgprof.Handler())
//
// and its profiles have labels, states and a thousand scans a second, without stops of the world. They have the
// columns of mayfly's wall profiles instead of fgprof's; wall is the default one, as time is there.
// Folded stacks are in nanoseconds, root first.
package fgprof

import (
	"fmt"
	"io"
	"net/http"

	"github.com/mayfly-profiler/mayfly/export"
	"github.com/mayfly-profiler/mayfly/profiler"
	"github.com/mayfly-profiler/mayfly/profiler/inprocess"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// Format decides how the output is rendered.
type Format string

// The formats of fgprof.
const (
	FormatFolded Format = "folded" // for flame graph tools
	FormatPprof  Format = "pprof"  // for go tool pprof
)

// seconds is fgprof's default.
const seconds = 30

const column = sample.ColumnWall

// options keep goroutines that do nothing, too: fgprof shows all.
func options() inprocess.Options {
	return inprocess.Options{Mode: profiler.Wall, Keep: profiler.Keep{Idle: true}}
}

// Handler returns a handler that takes the parameters of fgprof's, "seconds" (default 30) and "format"
// ("pprof", the default, or "folded"), and "hz" (default 999). All else is as in inprocess.Handler.
func Handler() http.Handler {
	return inprocess.HandlerWith(inprocess.HandlerOptions{Options: options(), Seconds: seconds, Column: column})
}

// Start begins to record all goroutines of the program and returns a function that ends it and
// writes the result to w. What goes wrong at the beginning is told at the end. One recording can
// run at a time.
func Start(w io.Writer, format Format) func() error {
	s, err := inprocess.Start(options())
	return func() error {
		if err != nil {
			return err
		}
		rec, err := s.Stop()
		if err != nil {
			return err
		}
		f, err := export.ByName(string(format))
		if err != nil {
			return fmt.Errorf("fgprof: %w", err)
		}
		rec.Profile.DefaultSampleType = column
		return f.Write(w, rec.Profile, export.Options{})
	}
}
