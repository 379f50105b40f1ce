package report

import (
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/mayfly-profiler/mayfly/internal/printable"
	"github.com/mayfly-profiler/mayfly/internal/timeline"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// WriteText writes reports for a terminal.
func WriteText(w io.Writer, reports []*Report) error { return each(w, reports, (*printer).text) }

// each writes reports with an empty line between two.
func each(w io.Writer, reports []*Report, write func(*printer, *Report)) error {
	p := &printer{w: w}
	for i, r := range reports {
		if i > 0 {
			p.printf("\n")
		}
		write(p, r)
	}
	return p.err
}

// printer keeps the first error of many writes.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) printf(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}

func (p *printer) text(r *Report) {
	p.printf("%s\n", printable.Line(r.headline()))
	for _, note := range r.notes() {
		p.printf("  %s\n", printable.Line(note))
	}
	if r.Cause == nil {
		if r.Why != "" {
			p.printf("  %s\n", printable.Line(r.Why))
		}
		return
	}
	p.printf("\n  %s\n\n", printable.Line(r.Cause.Sentence))
	p.table(r.stateRows(), "  ")
	p.printf("\n")
	for i, step := range r.Cause.Chain {
		p.printf("  %s%s\n", strings.Repeat("  ", i)+arrow(i), printable.Line(step))
	}
	if c := r.Cause; c.Function != "" {
		p.printf("\n  %s\n  %s\n", printable.Line(c.Function), printable.Line(c.Where()))
	}
	if len(r.Causes) > 1 {
		p.printf("\n  the excess, followed to where it was lost:\n")
		p.table(r.chargeRows(), "  ")
	}
	p.printf("\n  what to change: %s\n", printable.Line(r.Cause.Remedy))
	p.printf("  confidence %.0f %%, evidence %s: %s\n", 100*r.Cause.Confidence, r.Cause.Evidence, r.Cause.because())
	for _, l := range r.Labels {
		p.printf("  %s=%s: %.0f %% of the slow requests, %.0f %% of the others\n", printable.Line(l.Key), printable.Line(l.Value),
			100*l.Slow, 100*l.Fast)
	}
	if len(r.RuledOut) > 0 {
		p.printf("  ruled out: %s\n", strings.Join(r.ruledNames(), ", "))
	}
	p.printf("\n  next: %s\n", r.next())
}

func arrow(i int) string {
	if i == 0 {
		return ""
	}
	return "<- "
}

// headline is the verdict in one line.
func (r *Report) headline() string {
	return fmt.Sprintf("%s%s %s: %s", r.groupName(), r.SLO, strings.ToUpper(string(r.Verdict)), r.numbers())
}

// numbers is what the verdict is about.
func (r *Report) numbers() string {
	name, limit := r.objective()
	return fmt.Sprintf("%s is %s, %d of %d requests took %s or longer", name, short(float64(r.Value)), r.Slow, r.Requests, limit)
}

// objective is what the objective is about, and its limit. Labels may have a "<", too.
func (r *Report) objective() (name, limit string) {
	i := max(strings.LastIndexByte(r.SLO, '<'), 0)
	return r.SLO[:i], strings.TrimPrefix(r.SLO[i:], "<")
}

// groupName is "endpoint=/fulfil: ", or nothing.
func (r *Report) groupName() string {
	for k, v := range r.Group {
		return k + "=" + v + ": "
	}
	return ""
}

// stateRows is the table of states: mean time of slow and fast requests.
func (r *Report) stateRows() [][]string {
	rows := [][]string{{"state", "slow", "fast", ""}}
	for k := range timeline.Kind(timeline.Kinds) {
		slow, fast := r.States.Slow[k], r.States.Fast[k]
		if slow+fast < 1000 {
			continue
		}
		rows = append(rows, []string{k.String(), short(float64(slow)), short(float64(fast)), bar(float64(slow), float64(total(r.States.Slow)))})
	}
	return append(rows, []string{"all", short(float64(total(r.States.Slow))), short(float64(total(r.States.Fast))), ""})
}

// chargeRows is the table of where the excess was lost.
func (r *Report) chargeRows() [][]string {
	var rows [][]string
	for _, c := range r.Causes {
		what := shortName(c.Function)
		if c.Kind == timeline.OSScheduler && what == "" {
			what = "other processes had the CPUs"
		}
		if c.Kind == timeline.Stopped {
			what = "the whole process, by a signal, a debugger or the freezer"
		}
		if c.Denied >= 0.05 {
			what = strings.TrimSpace(fmt.Sprintf("%s (%+.0f %% in which it got no CPU)", what, 100*c.Denied))
		}
		rows = append(rows, []string{c.Kind.String(), fmt.Sprintf("%.0f %%", 100*c.Share), what})
	}
	return rows
}

// notes say what the numbers are made of: what says who waited for whom, and which requests are not counted.
func (r *Report) notes() []string {
	all := []string{}
	if 20*r.Short >= r.Requests {
		all = append(all, fmt.Sprintf("%d of the requests lasted for less than two scans (%.0f scans a second): shorter ones were missed, so "+
			"the others weigh too much", r.Short, r.Scans))
	}
	if r.Streams > 0 {
		of := ""
		if len(r.Group) > 0 {
			of = " of all groups"
		}
		all = append(all, fmt.Sprintf("%d streams%s are not counted: they have no end of their own", r.Streams, of))
	}
	if r.Learnt > 0 {
		all = append(all, fmt.Sprintf("labels of %d requests are learnt from others with the same handler: they were too short to be seen",
			r.Learnt))
	}
	if r.Unknown > 0 {
		name, limit := r.objective()
		all = append(all, fmt.Sprintf("labels of %d other requests are not known: no scan saw them long enough; were all of this group, "+
			"%s would be %s, and %d of %d requests took %s or longer", r.Unknown, name, short(float64(r.all.value)), r.all.over, r.all.of,
			limit))
	}
	return append(all, r.Notes...)
}

func total(m map[timeline.Kind]int64) (sum int64) {
	for v := range maps.Values(m) {
		sum += v
	}
	return sum
}

func bar(x, of float64) string {
	const width = 30
	n := int(x/max(of, 1)*width + 0.5)
	return strings.Repeat("#", min(max(n, 0), width))
}

// table writes rows whose middle columns are numbers.
func (p *printer) table(rows [][]string, indent string) {
	var b strings.Builder
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, row := range rows {
		last := len(row) - 1
		fmt.Fprintf(tw, "%s\t  %s\n", strings.Join(row[:last], "\t"), printable.Line(row[last]))
	}
	tw.Flush()
	for line := range strings.Lines(b.String()) {
		p.printf("%s%s\n", indent, strings.TrimRight(line, " \n"))
	}
}

func (r *Report) ruledNames() []string {
	var names []string
	for _, k := range slices.Clone(r.RuledOut) {
		names = append(names, k.Kind.String())
	}
	return names
}

// next is the command that shows more of the cause. People paste it: the function's name comes from the file.
func (r *Report) next() string {
	if r.trace != "" {
		return "go tool trace " + printable.Shell(r.trace)
	}
	c := r.Cause
	index := sample.ColumnBlocked
	switch c.Kind {
	case timeline.CPU, timeline.GC:
		index = sample.ColumnCPU
	case timeline.GoScheduler, timeline.OSScheduler, timeline.Quota:
		index = sample.ColumnRunnable
	}
	focus := ""
	if c.Function != "" {
		focus = " -focus=" + printable.Shell(quoteMeta(shortName(c.Function)))
	}
	file := "FILE"
	if r.recording != "" {
		file = printable.Shell(r.recording)
	}
	return "go tool pprof -sample_index=" + index + focus + " -top " + file
}

// quoteMeta makes a function's name a regular expression. A dot is left as it is, for whoever reads the line.
func quoteMeta(s string) string { return strings.ReplaceAll(regexp.QuoteMeta(s), `\.`, ".") }
