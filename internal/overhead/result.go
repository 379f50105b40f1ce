package overhead

import (
	"fmt"
	"io"
	"math"
	"text/tabwriter"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/diff"
	"github.com/mayfly-profiler/mayfly/internal/render"
)

// Result is what was measured, by mode.
type Result struct {
	PID    int      `json:"pid"`
	Window float64  `json:"window_s"`
	CPUs   float64  `json:"cpus"` // that the process uses without a recording
	Modes  []Mode   `json:"modes"`
	Notes  []string `json:"notes,omitempty"`
}

// Mode is what one mode costs.
type Mode struct {
	Mode   string    `json:"mode"`
	Blocks int       `json:"blocks"`
	CPU    *Estimate `json:"cpu,omitempty"`     // the process's CPU time a second, or for a piece of work where that is counted
	Work   *Estimate `json:"work,omitempty"`    // pieces of work a second
	Own    float64   `json:"own_cpu,omitempty"` // of a core, by mayfly itself
	Error  string    `json:"error,omitempty"`
}

// Estimate is by how much something is more with a recording than without, as a share, and its 95 % confidence interval.
type Estimate struct {
	More    float64 `json:"more"`
	Low     float64 `json:"low"`
	High    float64 `json:"high"`
	Unknown string  `json:"unknown,omitempty"` // why More says nothing
}

// Blocks is how many there are of all modes.
func (r *Result) Blocks() (n int) {
	for _, m := range r.Modes {
		n += m.Blocks
	}
	return n
}

const (
	level  = 0.95
	enough = 5    // blocks
	wide   = 0.05 // half of an interval that says nothing, unless what it is of is twice as much
	full   = 0.03 // a process that is so close to a whole number of CPUs has no more of them to use
)

func resultOf(all []series, window time.Duration, err error) *Result {
	r := &Result{Window: window.Seconds()}
	var off Arm
	for i := range all {
		for _, b := range all[i].blocks {
			off.cpu += b.off.cpu
			off.wall += b.off.wall
		}
	}
	if off.wall > 0 {
		r.CPUs = off.cpu / off.wall
	}
	for i := range all {
		r.Modes = append(r.Modes, all[i].result(saturated(r.CPUs)))
	}
	if err != nil && r.Blocks() > 0 {
		r.Notes = append(r.Notes, err.Error())
	}
	return r
}

// saturated says whether a process uses as many CPUs as it can: a recording does not make that more.
func saturated(cpus float64) bool {
	whole := math.Round(cpus)
	return whole >= 1 && math.Abs(cpus-whole) <= full*whole
}

func (s *series) result(saturated bool) Mode {
	m := Mode{Mode: s.mode, Blocks: len(s.blocks)}
	if s.err != nil {
		m.Error = s.err.Error()
	}
	if m.Blocks == 0 {
		return m
	}
	var on Arm
	counted := true
	var perSecond, perPiece, pieces []float64
	for _, b := range s.blocks {
		on.own += b.on.own
		on.wall += b.on.wall
		perSecond = append(perSecond, (b.on.cpu/b.on.wall)/(b.off.cpu/b.off.wall))
		pieces = append(pieces, (b.on.work/b.on.wall)/(b.off.work/b.off.wall))
		perPiece = append(perPiece, (b.on.cpu/b.on.work)/(b.off.cpu/b.off.work))
		counted = counted && b.on.work > 0 && b.off.work > 0
	}
	m.Own = on.own / on.wall
	if counted {
		m.CPU, m.Work = estimate(perPiece), estimate(pieces)
		return m
	}
	m.CPU = estimate(perSecond)
	if saturated {
		m.CPU.Unknown = "it has no more CPUs to use: what it loses is work, which --counter counts"
	}
	return m
}

func estimate(ratios []float64) *Estimate {
	for _, r := range ratios {
		if !(r > 0) || math.IsInf(r, 0) {
			return &Estimate{Unknown: "the process did nothing for a while"}
		}
	}
	if len(ratios) < enough {
		return &Estimate{Unknown: fmt.Sprintf("%d of %d blocks that it takes", len(ratios), enough)}
	}
	middle, low, high := diff.Interval(ratios, level)
	e := &Estimate{More: middle - 1, Low: low - 1, High: high - 1}
	if half := (high - low) / 2; half > wide && 2*half > math.Abs(e.More) {
		e.Unknown = "the windows differ too much"
	}
	return e
}

// Formats returns the ways to write a result.
func Formats() render.Formats[*Result] {
	return render.Formats[*Result]{
		{Name: "text", Write: writeText}, {Name: "json", Write: func(w io.Writer, r *Result) error { return render.JSON(w, r) }},
	}
}

func writeText(w io.Writer, r *Result) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "MODE\tBLOCKS\tCPU TIME OF THE PROCESS\tITS WORK A SECOND\tMAYFLY ITSELF")
	for _, m := range r.Modes {
		own := "-"
		if m.Blocks > 0 {
			own = fmt.Sprintf("%.1f %% of a core", 100*m.Own)
		}
		fmt.Fprintf(t, "%s\t%d\t%s\t%s\t%s\n", m.Mode, m.Blocks, m.CPU, m.Work, own)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, note := range r.notes() {
		if _, err := fmt.Fprintln(w, note); err != nil {
			return err
		}
	}
	return nil
}

// notes are what there is to be said below the table.
func (r *Result) notes() []string {
	used := fmt.Sprintf("without a recording it uses %.2f CPUs; in brackets are 95 %% confidence intervals", r.CPUs)
	notes := append([]string{used}, r.Notes...)
	for _, m := range r.Modes {
		if m.Error != "" {
			notes = append(notes, m.Error)
		}
		for i, e := range []*Estimate{m.CPU, m.Work} {
			if e != nil && e.Unknown != "" {
				notes = append(notes, fmt.Sprintf("%s, %s: unknown: %s", m.Mode, []string{"CPU time", "work"}[i], e.Unknown))
			}
		}
	}
	return notes
}

func (e *Estimate) String() string {
	switch {
	case e == nil:
		return "-"
	case e.Low == e.High:
		return "unknown"
	}
	interval := fmt.Sprintf("(%+.1f to %+.1f)", 100*e.Low, 100*e.High)
	if e.Unknown != "" {
		return "unknown " + interval
	}
	return fmt.Sprintf("%+.1f %% %s", 100*e.More, interval)
}
