package shapes

import (
	"fmt"
	"slices"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/report"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// unfit says why the truth of a shape is not that of a recording, "" if it is: a machine that has no CPUs for the service makes all that
// it does slow. It goes by what the clients saw and by the CPU time, and by nothing that a report goes by.
func (x truth) unfit(r recording, s said) string {
	slo, err := report.ParseSLO(x.SLO)
	if err != nil {
		return err.Error()
	}
	limit := int64(slo.Limit)
	if x.Met && !x.Before && r.world.p99(s.Window, x.Path) >= limit {
		return "even the clients see it late"
	}
	all, slowed := late(r.world.lengths(s.Window, ""), limit), late(r.world.lengths(s.Window, x.Slows), limit)
	if 2*slowed < all {
		return fmt.Sprintf("only %d of %d slow answers are to %s", slowed, all, x.Slows)
	}
	if got := r.cpus(); got < x.Quota/2 {
		return fmt.Sprintf("the machine left it %.2f CPUs of a quota of %.2f", got, x.Quota)
	}
	return ""
}

// cpus is how many CPUs' time the service got.
func (r recording) cpus() float64 {
	i := slices.IndexFunc(r.profile.SampleType, func(v *profile.ValueType) bool { return v.Type == sample.ColumnCPU })
	sum := int64(0)
	for _, s := range r.profile.Sample {
		sum += s.Value[i]
	}
	return float64(sum) / float64(r.profile.DurationNanos)
}

// late is how many of some lengths, ascending, are at least a limit.
func late(ns []int64, limit int64) int {
	i, _ := slices.BinarySearch(ns, limit)
	return len(ns) - i
}

// lengths are how long the clients waited for the answers that they got in the window, ns, ascending; path "" is all.
func (w *world) lengths(in report.Window, path string) (ns []int64) {
	for _, a := range w.Answers {
		if a.Begin > in.From && a.Begin+a.Length < in.To && (path == "" || path == a.Path) {
			ns = append(ns, a.Length)
		}
	}
	slices.Sort(ns)
	return ns
}

// p99 is the clients'.
func (w *world) p99(in report.Window, path string) int64 {
	ns := w.lengths(in, path)
	if len(ns) == 0 {
		return 0
	}
	return ns[min(len(ns)*99/100, len(ns)-1)]
}
