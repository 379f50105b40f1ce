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
func (d *demoRun) table(lines int) {
	s := d.rec.Summary
	w := tabwriter.NewWriter(d.env.stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	defer w.Flush()
	seen, rusage, atLeast := s.CPU.Profiled, s.CPU.Rusage, ""
	if s.EngineCPU == "goroutine table" { // the goroutine table tells CPU time by label, and not where it goes
		seen, rusage, atLeast = s.Table.Running, d.after.CPUNS-d.before.CPUNS, "at least "
	}
	fmt.Fprintf(w, "\tdefault profile\t%s\t\n", "mayfly")
	fmt.Fprintf(w, "rate asked\t100 Hz\t%d Hz\t\n", s.RateAsked)
	fmt.Fprintf(w, "samples\t%d\t%d\t\n", compare.Total(d.defaultProfile).Samples, s.CPU.Samples)
	cpu := compare.Total(d.defaultProfile).NS
	fmt.Fprintf(w, "CPU seen\t%s\t%s\t\n", seconds(cpu), seconds(seen))
	fmt.Fprintf(w, "of %s by rusage\t%.1f %%\t%.1f %%\t\n", seconds(rusage), compare.Percent(cpu, rusage), compare.Percent(seen, rusage))
	made := d.after.Lines - d.before.Lines + d.after.OpenLines
	fmt.Fprintf(w, "order lines (%d goroutines) seen\tat most %.1f %%\t%s%.1f %%\t\n", made,
		compare.Percent(lineSamples(d.defaultProfile), made), atLeast, compare.Percent(int64(lines), made))
	fmt.Fprintf(w, "\t\t\t\nCPU by label\t\t\t\n")
	for _, key := range []string{"endpoint", "tenant", "job"} {
		labelRows(w, key, d.defaultProfile, d.rec.Profile)
	}
	fmt.Fprintf(w, "no label\t%s\t%s\t\n", compare.Unlabelled(d.defaultProfile), compare.Unlabelled(d.rec.Profile))
	d.states(w)
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

func labelRows(w *tabwriter.Writer, key string, a, b *profile.Profile) {
	for _, v := range compare.Values(key, a, b) {
		fmt.Fprintf(w, "%s=%s\t%s\t%s\t\n", key, v, compare.Labelled(a, key, v), compare.Labelled(b, key, v))
	}
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
	defaultProfile *profile.Profile    // the default profile
	before         demo.Truth
	after          demo.Truth
}
