package report

import (
	"io"
	"strings"
)

// WriteMarkdown writes reports for a pull request or an incident's page.
func WriteMarkdown(w io.Writer, reports []*Report) error {
	p := &printer{w: w}
	for i, r := range reports {
		if i > 0 {
			p.printf("\n")
		}
		p.markdown(r)
	}
	return p.err
}

func (p *printer) markdown(r *Report) {
	p.printf("### %s\n", escape(r.headline()))
	if note := r.note(); note != "" {
		p.printf("\n%s\n", escape(note))
	}
	if r.Why != "" {
		p.printf("\n%s\n", escape(r.Why))
	}
	if r.Cause == nil {
		return
	}
	p.printf("\n**%s**\n\n", escape(r.Cause.Sentence))
	for i, row := range r.stateRows() {
		p.printf("| %s |\n", strings.Join(row[:3], " | "))
		if i == 0 {
			p.printf("| --- | ---: | ---: |\n")
		}
	}
	p.printf("\n")
	for i, step := range r.Cause.Chain {
		p.printf("%s- %s\n", strings.Repeat("  ", i), escape(step))
	}
	if c := r.Cause; c.Function != "" {
		p.printf("\n`%s` %s\n", c.Function, c.Where())
	}
	p.printf("\nConfidence %.0f %%. ", 100*r.Cause.Confidence)
	for _, l := range r.Labels {
		p.printf("`%s=%s`: %.0f %% of the slow requests, %.0f %% of the others. ", l.Key, l.Value, 100*l.Slow, 100*l.Fast)
	}
	p.printf("Ruled out: %s.\n\n    %s\n", strings.Join(r.ruledNames(), ", "), r.next())
}

// escape keeps Go's names from being read as markup.
func escape(s string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "_", `\_`, "<", "&lt;", ">", "&gt;", "`", "\\`", "|", `\|`).Replace(s)
}
