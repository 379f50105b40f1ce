package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/compare"
	"github.com/mayfly-profiler/mayfly/internal/demo"
	"github.com/mayfly-profiler/mayfly/profiler"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// lineFunction handles one order line, in a goroutine of its own.
const lineFunction = "/internal/demo.(*service).pickLine"

// table shows what each profile saw of the same seconds.
func (d *demoRun) table() {
	s := d.rec.Summary
	w := tabwriter.NewWriter(d.env.stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	defer w.Flush()
	seen, rusage, atLeast := s.CPU.Profiled, s.CPU.Rusage, ""
	if s.EngineCPU == "goroutine table" { // the goroutine table tells CPU time by label, and not where it goes
		seen, rusage, atLeast = s.Table.Running, 0, "at least "
		if d.after != nil {
			rusage = d.after.CPUNS - d.before.CPUNS
		}
	}
	fmt.Fprintf(w, "\tdefault profile\t%s\t\n", "mayfly")
	fmt.Fprintf(w, "rate asked\t100 Hz\t%d Hz\t\n", s.RateAsked)
	fmt.Fprintf(w, "samples\t%s\t%d\t\n", d.other("%d", func(p *profile.Profile) any { return compare.Total(p).Samples }), s.CPU.Samples)
	fmt.Fprintf(w, "CPU seen\t%s\t%s\t\n", d.other("%s", func(p *profile.Profile) any { return seconds(compare.Total(p).NS) }), seconds(seen))
	if rusage > 0 {
		fmt.Fprintf(w, "of %s by rusage\t%s\t%.1f %%\t\n", seconds(rusage),
			d.other("%.1f %%", func(p *profile.Profile) any { return compare.Percent(compare.Total(p).NS, rusage) }), compare.Percent(seen, rusage))
	}
	if d.after != nil {
		made := d.after.Lines - d.before.Lines + d.after.OpenLines
		fmt.Fprintf(w, "order lines (%d goroutines) seen\t%s\t%s%.1f %%\t\n", made,
			d.other("at most %.1f %%", func(p *profile.Profile) any { return compare.Percent(lineSamples(p), made) }),
			atLeast, compare.Percent(int64(seenLines(d.rec.Profile)), made))
	}
	fmt.Fprintf(w, "\t\t\t\nCPU by label\t\t\t\n")
	d.labels(w)
	d.states(w)
}

// other is a cell of the default profile, which may be missing.
func (d *demoRun) other(format string, value func(*profile.Profile) any) string {
	if d.defaultProfile == nil {
		return "missing"
	}
	return fmt.Sprintf(format, value(d.defaultProfile))
}

// shownStates is how many states the table has; the rest is small.
const shownStates = 6

// states shows where the goroutines that fulfil orders were: what no CPU profile has.
func (d *demoRun) states(w *tabwriter.Writer) {
	states, all := compare.States(d.rec.Profile, "endpoint", "/fulfil")
	if len(states) > 0 {
		fmt.Fprintf(w, "\t\t\t\ntime of /fulfil's goroutines by state\t\t\t\n")
	}
	for _, s := range states[:min(len(states), shownStates)] {
		fmt.Fprintf(w, "%s\t\t%s  %4.1f %%\t\n", s.State, compare.Round(s.NS), compare.Percent(s.NS, all))
	}
}

// labels shows the CPU time of each value of the program's labels.
func (d *demoRun) labels(w *tabwriter.Writer) {
	both := []*profile.Profile{d.rec.Profile}
	if d.defaultProfile != nil {
		both = append(both, d.defaultProfile)
	}
	for _, key := range []string{"endpoint", "tenant", "job"} {
		for _, v := range compare.Values(key, both...) {
			fmt.Fprintf(w, "%s=%s\t%s\t%s\t\n", key, v,
				d.other("%s", func(p *profile.Profile) any { return compare.Labelled(p, key, v) }), compare.Labelled(d.rec.Profile, key, v))
		}
	}
	fmt.Fprintf(w, "no label\t%s\t%s\t\n",
		d.other("%s", func(p *profile.Profile) any { return compare.Unlabelled(p) }), compare.Unlabelled(d.rec.Profile))
}

func handlesLine(s *profile.Sample) bool {
	for _, l := range s.Location {
		for _, ln := range l.Line {
			if strings.HasSuffix(ln.Function.Name, lineFunction) {
				return true
			}
		}
	}
	return false
}

// lineSamples counts the samples of goroutines that handle an order line. The default profile has
// no goroutine ids: so many goroutines were seen at the most.
func lineSamples(p *profile.Profile) (n int64) {
	for _, s := range p.Sample {
		if handlesLine(s) {
			n += s.Value[0]
		}
	}
	return n
}

// seenLines counts the goroutines that handle an order line and have a sample at least.
func seenLines(p *profile.Profile) int {
	seen := make(map[int64]bool)
	for _, s := range p.Sample {
		if id := s.NumLabel[sample.KeyID]; len(id) == 1 && handlesLine(s) {
			seen[id[0]] = true
		}
	}
	return len(seen)
}

// demoRun is one run of the demo.
type demoRun struct {
	env            *env
	url            string
	pid            int
	length         time.Duration
	rec            *profiler.Recording // nil without rights
	defaultProfile *profile.Profile    // nil if it did not come
	before         demo.Truth
	after          *demo.Truth // nil if the service did not answer
	missing        error       // why a part is not there; nil: all is there
}
