package report

import (
	"encoding/json"
	"fmt"
	"io"
)

// Write writes reports in one of the formats text, markdown, html and json.
func Write(w io.Writer, format string, reports []*Report) error {
	switch format {
	case "text":
		return WriteText(w, reports)
	case "markdown":
		return WriteMarkdown(w, reports)
	case "html":
		return WriteHTML(w, reports)
	case "json":
		return WriteJSON(w, reports)
	}
	return fmt.Errorf("report: no format %q", format)
}

// WriteJSON writes one object for one report, and an array for the groups of --by.
func WriteJSON(w io.Writer, reports []*Report) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if len(reports) == 1 && len(reports[0].Group) == 0 {
		return enc.Encode(reports[0])
	}
	return enc.Encode(reports)
}
