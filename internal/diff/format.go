package diff

import (
	"io"

	"github.com/mayfly-profiler/mayfly/internal/render"
)

// Formats returns the ways to write a comparison.
func Formats() render.Formats[*Document] {
	return render.Formats[*Document]{
		{Name: "text", Write: writeText},         // a table like benchstat's
		{Name: "markdown", Write: writeMarkdown}, // a comment for a pull request: verdict first, at most ten rows, the rest folded
		{Name: "json", Write: writeJSON},         // all numbers, one object
		{Name: "html", Write: writeHTML},         // one page with a differential flame graph; needs no network
		{Name: "pprof", Write: writePprof},       // the difference as a profile, for go tool pprof
	}
}

// DrawsStacks says whether a format wants the profiles themselves.
func DrawsStacks(format string) bool { return format == "html" || format == "pprof" }

func writeJSON(w io.Writer, d *Document) error { return render.JSON(w, d.Result) }
