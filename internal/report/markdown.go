package report

import (
	"io"
	"strings"

	"github.com/mayfly-profiler/mayfly/internal/printable"
	"github.com/mayfly-profiler/mayfly/internal/render"
)

// WriteMarkdown writes reports for a pull request or an incident's page.
func WriteMarkdown(w io.Writer, reports []*Report) error {
	return each(w, reports, (*printer).markdown)
}

func (p *printer) markdown(r *Report) {
	p.printf("### %s\n", printable.Markdown(r.headline()))
	p.printf("\n")
	for _, note := range r.notes() {
		p.printf("- %s\n", printable.Markdown(note))
	}
	if r.Why != "" {
		p.printf("\n%s\n", printable.Markdown(r.Why))
	}
	if r.Cause == nil {
		return
	}
	p.printf("\n**%s**\n\n", printable.Markdown(r.Cause.Sentence))
	var rows [][]string
	for _, row := range r.stateRows() {
		rows = append(rows, row[:3])
	}
	p.markdownTable("<>>", rows)
	p.printf("\n")
	for i, step := range r.Cause.Chain {
		p.printf("%s- %s\n", strings.Repeat("  ", i), printable.Markdown(step))
	}
	if c := r.Cause; c.Function != "" {
		p.printf("\n%s %s\n", printable.MarkdownCode(c.Function), printable.Markdown(c.Where()))
	}
	p.printf("\nWhat to change: %s.\n", printable.Markdown(r.Cause.Remedy))
	p.printf("\nConfidence %.0f %%, evidence %s: %s. ", 100*r.Cause.Confidence, r.Cause.Evidence, r.Cause.because())
	for _, l := range r.Labels {
		p.printf("%s: %.0f %% of the slow requests, %.0f %% of the others. ", printable.MarkdownCode(l.Key+"="+l.Value), 100*l.Slow, 100*l.Fast)
	}
	if len(r.RuledOut) > 0 {
		p.printf("Ruled out: %s.", strings.Join(r.ruledNames(), ", "))
	}
	p.printf("\n\n    %s\n", r.next())
}

func (p *printer) markdownTable(align string, rows [][]string) {
	if p.err == nil {
		p.err = render.Markdown(p.w, align, rows)
	}
}
