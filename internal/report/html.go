package report

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"short": func(ns int64) string { return short(float64(ns)) },
	"pct":   func(x float64) string { return fmt.Sprintf("%.0f %%", 100*x) },
}).Parse(pageText))

// shown is a report as the page sees it.
type shown struct {
	*Report
	Headline, Next string
	Note           string
	Charges        [][]string
	Rows           [][]string
	Ruled          []string
	Data           template.JS
}

// WriteHTML writes one page that needs no network and forbids itself to use one.
func WriteHTML(w io.Writer, reports []*Report) error {
	var all []shown
	for _, r := range reports {
		s := shown{Report: r, Headline: r.headline(), Note: r.note(), Charges: r.chargeRows(), Rows: r.stateRows()[1:], Data: "null"}
		if r.Cause != nil {
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
