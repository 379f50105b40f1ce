package report

import (
	"io"

	"github.com/mayfly-profiler/mayfly/internal/render"
)

// Formats returns the ways to write reports.
func Formats() render.Formats[[]*Report] {
	return render.Formats[[]*Report]{
		{Name: "text", Write: WriteText}, {Name: "markdown", Write: WriteMarkdown}, {Name: "json", Write: WriteJSON},
		{Name: "html", Write: WriteHTML},
	}
}

// WriteJSON writes one object for one report, and an array for the groups of --by.
func WriteJSON(w io.Writer, reports []*Report) error {
	if len(reports) == 1 && len(reports[0].Group) == 0 {
		return render.JSON(w, reports[0])
	}
	return render.JSON(w, reports)
}
