package main

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/pprof/profile"
)

// lineFunction handles one order line, in a goroutine of its own.
const lineFunction = "/internal/demo.(*service).pickLine"

// table shows what each profile saw of the same seconds.
func (d *demoRun) table(lines int) {
	s := d.rec.Summary
	w := tabwriter.NewWriter(d.env.stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	defer w.Flush()
	seen, rusage, atLeast := s.CPUProfiled, s.CPURusage, ""
	if s.EngineCPU != "ebpf" { // the goroutine table tells CPU time by label, and not where it goes
		seen, rusage, atLeast = s.TableCPU, d.after.CPUNS-d.before.CPUNS, "at least "
	}
	fmt.Fprintf(w, "\tdefault profile\t%s\t\n", "mayfly")
	fmt.Fprintf(w, "rate asked\t100 Hz\t%d Hz\t\n", s.RateAsked)
	fmt.Fprintf(w, "samples\t%d\t%d\t\n", total(d.standard, 0), s.Samples)
	cpu := total(d.standard, 1)
	fmt.Fprintf(w, "CPU seen\t%s\t%s\t\n", seconds(cpu), seconds(seen))
	fmt.Fprintf(w, "of %s by rusage\t%.1f %%\t%.1f %%\t\n", seconds(rusage), percent(cpu, rusage), percent(seen, rusage))
	made := d.after.Lines - d.before.Lines + d.after.OpenLines
	fmt.Fprintf(w, "order lines (%d goroutines) seen\tat most %.1f %%\t%s%.1f %%\t\n", made,
		percent(lineSamples(d.standard), made), atLeast, percent(int64(lines), made))
	fmt.Fprintf(w, "\t\t\t\nCPU by label\t\t\t\n")
	for _, key := range []string{"endpoint", "tenant", "job"} {
		labelRows(w, key, d.standard, d.rec.Profile)
	}
	fmt.Fprintf(w, "no label\t%s\t%s\t\n", sumOf(d.standard, "", ""), sumOf(d.rec.Profile, "", ""))
	d.states(w)
}

// shownStates is how many states the table has; the rest is small.
const shownStates = 6

// states shows where the goroutines that fulfil orders were: what no CPU profile has.
func (d *demoRun) states(w *tabwriter.Writer) {
	sums := make(map[string]int64)
	var all int64
	for _, s := range d.rec.Profile.Sample {
		if len(s.Value) == 5 && slices.Contains(s.Label["endpoint"], "/fulfil") {
			for _, state := range s.Label["go.state"] {
				sums[state] += s.Value[4]
				all += s.Value[4]
			}
		}
	}
	names := slices.SortedFunc(maps.Keys(sums), func(a, b string) int { return cmp.Compare(sums[b], sums[a]) })
	if len(names) > 0 {
		fmt.Fprintf(w, "\t\t\t\ntime of /fulfil's goroutines by state\t\t\t\n")
	}
	for _, name := range names[:min(len(names), shownStates)] {
		fmt.Fprintf(w, "%s\t\t%s  %4.1f %%\t\n", name, round(sums[name]), percent(sums[name], all))
	}
}

func labelRows(w *tabwriter.Writer, key string, a, b *profile.Profile) {
	for _, v := range labelValues(key, a, b) {
		fmt.Fprintf(w, "%s=%s\t%s\t%s\t\n", key, v, sumOf(a, key, v), sumOf(b, key, v))
	}
}

func labelValues(key string, profiles ...*profile.Profile) []string {
	var values []string
	for _, p := range profiles {
		for _, s := range p.Sample {
			for _, v := range s.Label[key] {
				if !slices.Contains(values, v) {
					values = append(values, v)
				}
			}
		}
	}
	slices.Sort(values)
	return values
}

// cpuTime is a sum of CPU time and how many samples it rests on.
type cpuTime struct {
	ns, samples int64
}

// String adds the 95 % interval that counting n independent samples has: n +- 1.96 sqrt(n).
func (c cpuTime) String() string {
	switch {
	case c.ns == 0:
		return "never seen"
	case c.samples == 0:
		return round(c.ns).String()
	}
	err := 1.96 * float64(c.ns) / math.Sqrt(float64(c.samples))
	return fmt.Sprintf("%s ±%s", round(c.ns), round(int64(err)))
}

func round(ns int64) time.Duration { return time.Duration(ns).Round(time.Millisecond) }

// sumOf adds up the samples that have the label; with an empty key those that have none at all.
func sumOf(p *profile.Profile, key, value string) (c cpuTime) {
	for _, s := range p.Sample {
		if key == "" && unlabelled(s) || key != "" && slices.Contains(s.Label[key], value) {
			c.samples += s.Value[0]
			c.ns += s.Value[1]
		}
	}
	return c
}

// unlabelled says that the program gave a sample no label; those of ours begin with go.
func unlabelled(s *profile.Sample) bool {
	for key := range s.Label {
		if !strings.HasPrefix(key, "go.") {
			return false
		}
	}
	return true
}

func total(p *profile.Profile, column int) (n int64) {
	for _, s := range p.Sample {
		n += s.Value[column]
	}
	return n
}

func percent(a, b int64) float64 {
	if b == 0 {
		return 0
	}
	return 100 * float64(a) / float64(b)
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
		if id := s.NumLabel["go.id"]; len(id) == 1 && handlesLine(s) {
			seen[id[0]] = true
		}
	}
	return len(seen)
}
