package report

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"

	"github.com/mayfly-profiler/mayfly/internal/flame"
	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"short":  func(ns int64) string { return short(float64(ns)) },
	"script": func() template.JS { return template.JS(flame.Script) },
	"pct":    func(x float64) string { return fmt.Sprintf("%.0f %%", 100*x) },
}).Parse(pageText))

// shown is a report as the page sees it.
type shown struct {
	*Report
	Numbers, Next string
	Remarks       []string
	Limit         string
	Others        int    // requests that were fast
	Because       string // what the cause is known by
	Charges       [][]string
	Rows          [][]string
	Ruled         []string
	Data          template.JS
}

// meaning says what a kind is, by its name.
func meaning(name string) string {
	for k := range timeline.Kind(timeline.Kinds) {
		if k.String() == name {
			return k.Meaning()
		}
	}
	return ""
}

// WriteHTML writes one page that needs no network and forbids itself to use one.
func WriteHTML(w io.Writer, reports []*Report) error {
	var all []shown
	for _, r := range reports {
		s := shown{Report: r, Numbers: r.groupName() + r.SLO + " wanted; " + r.numbers(), Remarks: r.notes(), Charges: r.chargeRows(),
			Rows: r.stateRows()[1:], Data: "null", Others: r.Requests - r.Slow}
		_, s.Limit = r.objective()
		for i, row := range s.Rows {
			s.Rows[i] = append(row, meaning(row[0]))
		}
		if r.Cause != nil {
			s.Because = r.Cause.because()
			s.Next, s.Ruled = r.next(), r.ruledNames()
		}
		if r.view != nil {
			data, err := json.Marshal(r.view) // escapes <, > and &: nothing in a name can end the element
			if err != nil {
				return fmt.Errorf("write html: %w", err)
			}
			s.Data = template.JS(data)
		}
		all = append(all, s)
	}
	if err := page.Execute(w, all); err != nil {
		return fmt.Errorf("write html: %w", err)
	}
	return nil
}
