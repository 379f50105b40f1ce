package diff

import (
	"fmt"
	"math"
	"strings"

	"github.com/google/pprof/profile"
)

// Document is what a format writes.
type Document struct {
	*Result
	// Before and After are the profiles of both sides, for formats that draw stacks. They are written to.
	Before, After []*profile.Profile
}

// Verdict is one sentence about the whole.
func (r *Result) Verdict() string {
	v := r.verdict()
	if w := r.shareWarning(); w != "" && r.Outcome != Regressed {
		v += "; " + w
	}
	return v
}

func (r *Result) verdict() string {
	found := r.found()
	switch r.Outcome {
	case Incomparable:
		return "not comparable: " + strings.Join(r.Reasons, "; ")
	case Regressed:
		return "regressed: " + found
	case Improved:
		return "improved: " + found
	case Undecided:
		return "undecided: no regression found, but there is too little data to rule out one of " + percent(Margin) + " of a column"
	}
	return "same: no row changed, and a change of " + percent(Margin) + " of a column is ruled out"
}

// totalName is the name of a column's total among its rows.
const totalName = "total"

func (c Column) label(r Row) string {
	if r.Name == totalName {
		return "total"
	}
	return r.Name
}

// value is an estimate in the column's unit.
func (c Column) value(v float64, r Row) string {
	if c.Unit == unitShare && r.Name != totalName {
		return percent(v)
	}
	if c.Unit == unitProfile {
		return amount(v)
	}
	if c.Unit == unitEach && (r.Name == wallRow || r.Name == cpuRowName) {
		return duration(v)
	}
	unit := map[string]string{unitOp: "/op", unitRequest: "/req", unitRun: "/run", unitEach: "/op"}[c.Unit]
	if unit == "" {
		unit = "/s"
	}
	return duration(v) + unit
}

// estimate is "5.02% ± 3%", as benchstat has it: the interval in percent of the value.
func (c Column) estimate(e Estimate, r Row) string {
	s := c.value(e.Mean, r)
	if e.Mean <= 0 || math.IsInf(e.Margin, 0) {
		return s + "     "
	}
	rel := 100 * e.Margin / e.Mean
	if rel >= 1000 {
		return s + " ± ∞ "
	}
	return fmt.Sprintf("%s ± %.0f%%", s, rel)
}

// change is "+10.2%", "~", "new" or "gone".
func (r Row) change() string {
	switch {
	case r.Outcome != Regressed && r.Outcome != Improved:
		return "~"
	case r.Base.Mean == 0:
		return "new"
	case r.New.Mean == 0:
		return "gone"
	}
	found, against := r.found()
	return signed(found.Relative) + against
}

// evidence is "(p=0.001 n=5)".
func (r *Result) evidence(c Column, row Row) string {
	found, _ := row.found()
	return fmt.Sprintf("(p=%.3f n=%s)", found.Adjusted, r.repeats(c))
}

// repeats is what benchstat calls n.
func (r *Result) repeats(c Column) string {
	if c.Rounds > 0 {
		return fmt.Sprint(c.Rounds)
	}
	if r.Base.Profiles == r.New.Profiles {
		return fmt.Sprint(r.Base.Profiles)
	}
	return fmt.Sprintf("%d+%d", r.Base.Profiles, r.New.Profiles)
}

// below says where the time of a function with what it called changed, and who changed with it.
func (f Caller) below(c Column) string {
	var parts []string
	for _, l := range f.Leaves {
		sign := "+"
		if l.Abs < 0 {
			sign = "-"
		}
		parts = append(parts, sign+c.value(math.Abs(l.Abs), f.Row)+" "+l.Name)
	}
	text := ""
	if len(parts) > 0 {
		text = "in " + strings.Join(parts, ", ")
	}
	if n := len(f.Above); n > 0 {
		text = strings.TrimPrefix(text+"; so did "+plural(n, "caller")+" of it", "; ")
	}
	return text
}

// title is "cpu, share of the column".
func (c Column) title() string {
	return c.Name + map[string]string{
		unitShare: ", share", unitSecond: " by second", unitOp: " by operation", unitRequest: " by request",
		unitRun: " by run", unitWork: " for what base did in a second", unitEach: " of an operation", unitProfile: " in a profile",
	}[c.Unit]
}

// title is "5 profiles, 50s, 999 Hz, go1.26.8".
func (s Side) title() string {
	parts := []string{plural(s.Profiles, "profile")}
	if s.Seconds > 0 {
		parts = append(parts, duration(s.Seconds*1e9))
	}
	if s.CPU > 0 {
		parts = append(parts, duration(s.CPU*1e9)+" CPU")
	}
	if s.Work != "" {
		parts = append(parts, s.Work)
	}
	if s.Rate > 0 {
		parts = append(parts, fmt.Sprintf("%.0f Hz", s.Rate))
	}
	if s.GoVersion != "" {
		parts = append(parts, s.GoVersion)
	}
	return strings.Join(parts, ", ")
}

// footnotes are the sentences below the tables.
func (r *Result) footnotes() []string {
	notes := append([]string(nil), r.Notes...)
	for _, c := range r.Columns {
		if len(c.Excluded) > 0 {
			notes = append(notes, fmt.Sprintf("%s: shares exclude %s, which changed; otherwise that change would shift every row",
				c.Name, strings.Join(c.Excluded, ", ")))
		}
	}
	return append(notes, fmt.Sprintf("p is one-sided and adjusted for %d tests (Benjamini-Hochberg, by what can be seen in each row), "+
		"alpha %g; changes under %s do not count", r.Tested, r.Alpha, percent(r.effect)))
}

// shareWarning says what a comparison by share cannot see, "" if it is none.
func (r *Result) shareWarning() string {
	for _, c := range r.Columns {
		if onCPU(c.Name) && c.Unit == unitShare {
			return "compared by share: a slowdown of everything alike is not visible"
		}
	}
	return ""
}
