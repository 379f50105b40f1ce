package diff

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Outcome is what a comparison says of a row, or of the whole.
type Outcome string

const (
	Improved     Outcome = "improved"
	Same         Outcome = "same"
	Regressed    Outcome = "regressed"
	Undecided    Outcome = "undecided"      // too few samples to say
	Incomparable Outcome = "not comparable" // of the whole only
)

// Margin is the change that "same" rules out, as a share of the whole column. What could be
// larger is undecided.
const Margin = 0.05

// Result is a comparison.
type Result struct {
	Outcome Outcome  `json:"outcome"`
	Reasons []string `json:"reasons,omitempty"` // why not comparable
	// Differences are what the sides were not recorded alike in, though they can be compared.
	Differences []string `json:"differences,omitempty"`
	// OtherHost says that all Reasons are about hosts, which AnyHost compares all the same.
	OtherHost bool     `json:"other_host,omitempty"`
	Notes     []string `json:"notes,omitempty"` // what to know before believing the rest
	By        string   `json:"by"`
	Alpha     float64  `json:"alpha"`
	Tested    int      `json:"tested"` // rows and totals over which the error rate holds
	Base      Side     `json:"base"`
	New       Side     `json:"new"`
	Columns   []Column `json:"columns"`
	Budget    []Limit  `json:"budget,omitempty"`
	History   []Shift  `json:"history,omitempty"` // of the same benchmarks, where one is kept

	effect float64
	// rebuilt: the compiler made other code of the same source. A function's time is in others then, so that totals only decide.
	rebuilt bool
	folded  map[string]string // functions by the name of the row that they are in, where it is another
}

// Shift is a benchmark that is slower or faster since some result of its history.
type Shift struct {
	Benchmark string    `json:"benchmark"`
	Last      string    `json:"last"`   // commit of the last result before
	Commit    string    `json:"commit"` // of the first one since
	Time      time.Time `json:"time"`   // of that
	Relative  float64   `json:"relative"`
	P         float64   `json:"p"` // that such a change is seen somewhere where there is none
	Before    int       `json:"before"`
	Since     int       `json:"since"` // results
}

// String is a line.
func (s Shift) String() string {
	return fmt.Sprintf("%s: %+.1f %% since %s of %s (last before: %s), p=%.2g, %d results before and %d since",
		Clean(s.Benchmark), 100*s.Relative, short(s.Commit), s.Time.Format(time.DateOnly), short(s.Last), s.P, s.Before, s.Since)
}

// Undecided says whether a change that matters cannot be ruled out somewhere.
func (r *Result) Undecided() bool {
	return slices.ContainsFunc(r.Columns, func(c Column) bool {
		rows := r.judged(c)
		return !c.shown && (len(c.Rows) == 0 || len(rows) == 0 || // too few samples for any row, or nothing that could be judged
			slices.ContainsFunc(rows, func(r Row) bool { return r.Outcome == Undecided }))
	})
}

// judged are the rows of a column that decide.
func (r *Result) judged(c Column) (rows []Row) {
	if c.Total.tested {
		rows = append(rows, c.Total)
	}
	if r.rebuilt && c.Unit != unitEach {
		return rows
	}
	return slices.Concat(rows, c.Rows, c.callers)
}

// short is the begin of a commit's hash, or a name.
func short(commit string) string {
	if hash, dirty, _ := strings.Cut(commit, "+"); len(hash) == 40 {
		return Clean(strings.TrimSuffix(hash[:12]+"+"+dirty, "+"))
	}
	return Clean(commit)
}

// Side describes the profiles of one side.
type Side struct {
	Profiles  int     `json:"profiles"`
	Blocks    int     `json:"blocks,omitempty"` // of time, that stand in for repeats
	Seconds   float64 `json:"seconds"`
	Rate      float64 `json:"rate_hz"` // samples per second of CPU time
	Samples   float64 `json:"samples"`
	CPU       float64 `json:"cpu_seconds"`
	Work      string  `json:"work,omitempty"` // that the profiles know of
	GoVersion string  `json:"go_version,omitempty"`
	BuildID   string  `json:"build_id,omitempty"`
	CPUModel  string  `json:"cpu_model,omitempty"`
}

// Column is the comparison of one sample type.
type Column struct {
	Name string `json:"name"`
	// Unit is what the rows' weights are divided by: "share" of the column, or "second", "op", "request", "run" (ns each), "work"
	// (ns for what the base side did in a second), "profile" (as it is), or "each" (a row is the time of an operation of its own).
	Unit string `json:"unit"`
	// Excluded are the rows that changed so much that the other rows' shares are taken without them.
	Excluded []string `json:"excluded,omitempty"`
	Total    Row      `json:"total"` // ns per second, or per op or request
	Rows     []Row    `json:"rows"`  // the largest change first
	// Callers are the functions that changed with all that they called, of those above each other the one to name.
	Callers []Caller `json:"with_callees,omitempty"`
	// Rounds is how many rounds of runs side by side the column is of, 0 if it is of profiles.
	Rounds int `json:"rounds,omitempty"`
	// Small is how many rows have too few samples to be tested.
	Small int `json:"small"`

	shown   bool           // and not judged
	callers []Row          // all functions that changed with what they called
	factors [2][][]float64 // by side, profile and group of benchmarks, what brings ns to the column's unit
	perWork [2][][]float64 // the same, what brings ns to the base side's operations
	scaling float64        // what brings the base side to the new side's scale
}

// Row is the comparison of one row.
type Row struct {
	Name   string   `json:"name"`
	Base   Estimate `json:"base"`
	New    Estimate `json:"new"`
	Change Change   `json:"change"`
	// Rest is the change of the row's share of the same runs, of what is compared by operation: that of a host's speed is not in it.
	Rest    *Change `json:"against_rest,omitempty"`
	Outcome Outcome `json:"outcome"`

	byRest bool // Outcome is that of Rest
	tested bool
	n      float64 // samples of both sides
}

// Caller is a function that changed with all that it called, and is to be named for it.
type Caller struct {
	Row
	// Above are the functions that changed because they call it, by name.
	Above []string `json:"callers,omitempty"`
	// Leaves are the functions below it whose own time changed most, at most three.
	Leaves []Leaf `json:"leaves,omitempty"`
}

// Leaf is the change of a function's own time below another one, in the column's unit.
type Leaf struct {
	Name string  `json:"name"`
	Abs  float64 `json:"abs"`
}

func changed(r Row) bool { return r.Outcome == Regressed || r.Outcome == Improved }

func (r Row) certainty() float64 {
	if r.Outcome == Regressed || r.Outcome == Improved {
		return 1
	}
	return 0 // by size
}

// Estimate is a mean over repeats, with half the width of its interval.
type Estimate struct {
	Mean   float64 `json:"mean"`
	Margin float64 `json:"margin"`
	Share  float64 `json:"share"` // of the column, whatever the unit
	Second float64 `json:"ns_per_second"`
}

// Change is new against base.
type Change struct {
	Abs      float64 `json:"abs"`        // in the column's unit
	Low      float64 `json:"low"`        // the interval of Abs
	High     float64 `json:"high"`       //
	Relative float64 `json:"relative"`   // Abs by base; of a row without base 0
	P        float64 `json:"p"`          // of this row alone, in the direction of Abs
	Adjusted float64 `json:"p_adjusted"` // over all rows (Benjamini-Hochberg)
}
