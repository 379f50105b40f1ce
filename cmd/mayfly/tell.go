package main

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/printable"
	"github.com/mayfly-profiler/mayfly/profiler"
)

// recordReport is what --json prints.
type recordReport struct {
	profiler.Summary
	Output   string `json:"output"`
	Duration int64  `json:"duration_ns"`
}

// tell prints on stderr what the recording is worth.
func tell(e *env, f *recordFlags, rec *profiler.Recording) {
	s := rec.Summary
	if s.CPU.Samples > 0 || s.EngineCPU == "ebpf" {
		tellCPU(e, f, rec)
	}
	if s.EngineWall != "none" {
		tellWall(e, f, rec)
	}
	tellExact(e, f, s)
	tellEvents(e, f, s)
	tellLabels(e, f, s)
	tellChildren(e, s)
	if s.End != "duration reached" && s.End != "interrupted" {
		e.say("%s: %s", f.output, s.End)
	}
	for _, d := range s.Denied {
		e.warn("missing: %s", d)
	}
	if f.output != "-" {
		e.say("go tool pprof -http=: %s", printable.Shell(f.output))
	}
}

// mostPrinted is how many label sets' CPU times are printed.
const mostPrinted = 5

// tellExact is about CPU times that were counted.
func tellExact(e *env, f *recordFlags, s profiler.Summary) {
	for i, x := range s.Exact.Sets {
		if i < mostPrinted {
			e.say("%s: exact: %s", f.output, x)
		} else {
			e.detail("exact: %s", x)
		}
	}
}

// tellEvents is about what was sampled beside time.
func tellEvents(e *env, f *recordFlags, s profiler.Summary) {
	for _, c := range s.Events.Counts {
		e.say("%s: %d %s in %d samples", f.output, c.Count, c.Name, c.Samples)
		if c.Lost > 0 {
			e.warn("%s: %d samples of %s were lost: a lower rate (-F) loses none", f.output, c.Lost, c.Name)
		}
		if c.Counted < wholly {
			e.warn("%s: %s were counted for %.0f %% of the time, in turns with other events, and are scaled up", f.output, c.Name, 100*c.Counted)
		}
	}
}

// wholly is the share of the time above which an event counts as counted all the time.
const wholly = 0.99

// tellLabels is about labels that are not what the program has.
func tellLabels(e *env, f *recordFlags, s profiler.Summary) {
	if s.Labels.Gone > 0 {
		e.warn("%s: labels of %.4g %% of the time were gone before they could be read: %s in %d samples",
			f.output, 100*float64(s.Labels.GoneTime)/float64(max(s.Table.Wall, s.CPU.Profiled, 1)), time.Duration(s.Labels.GoneTime), s.Labels.Gone)
	}
	if s.Labels.Truncated > 0 {
		e.warn("%s: %d samples have only some of their labels: a set is cut at 64 KiB, and all of them at 8 MiB", f.output, s.Labels.Truncated)
	}
	if s.Labels.Foreign > 0 {
		e.say("%s: %d goroutines have no labels here: their g.labels holds something else, as with goroutine-local stores",
			f.output, s.Labels.Foreign)
	}
	for _, t := range s.Labels.Traps {
		e.say("%s: %s", f.output, t)
	}
	if len(s.Labels.Renamed) > 0 {
		e.say("%s: labels of the program were renamed, because go.* belongs to mayfly: %q", f.output, s.Labels.Renamed)
	}
	if s.Labels.Repaired > 0 {
		e.say("%s: %d labels, names and paths were not UTF-8; U+FFFD stands for the wrong bytes", f.output, s.Labels.Repaired)
	}
}

// tellChildren says so when most of the CPU time was used by processes that the recorded one had started.
func tellChildren(e *env, s profiler.Summary) {
	if s.Children.CPUTime < max(s.CPU.Rusage, int64(100*time.Millisecond)) {
		return
	}
	names, remedy := "", "record them by themselves: mayfly record -p PID, while they run"
	if len(s.Children.Running) > 0 {
		pid, _, _ := strings.Cut(s.Children.Running[0], " ")
		names, remedy = ": "+strings.Join(s.Children.Running, ", "), "record them by themselves: mayfly record -p "+pid
	}
	e.warn("%s of CPU time here, %s in children%s; %s", seconds(s.CPU.Rusage), seconds(s.Children.CPUTime), names, remedy)
}

// tellWall is about the goroutine table.
func tellWall(e *env, f *recordFlags, rec *profiler.Recording) {
	s := rec.Summary
	e.say("%s: all states %s, goroutine table %.0f Hz, %d goroutines, %d idle left out",
		f.output, seconds(s.Table.Wall), s.Table.Rate, s.Coverage.Seen, s.Coverage.Idle)
	if s.Coverage.Created > 0 {
		share := 100 / float64(s.Coverage.Created)
		e.say("%s: %d goroutines created, %.1f %% of them seen (100 Hz would have seen %.1f %%)",
			f.output, s.Coverage.Created, share*float64(s.Coverage.New), share*float64(s.Coverage.At100))
	}
	if s.Table.Rate < rare*float64(s.RateAsked) && s.Table.Lowest < rare*float64(s.RateAsked) {
		e.say("%s: %.0f scans a second of %d is what %s; %s", f.output, s.Table.Rate, s.RateAsked, f.budget(), f.remedy())
	}
	for _, l := range s.Coverage.Lives {
		e.detail("goroutines by life, and at 100 Hz: %s", l)
	}
	for _, l := range s.Coverage.Lifetimes {
		e.detail("lifetimes: %s", l)
	}
	e.detail("garbage collection: marking for %s; %d stops of the world, %s in all, longest below %s",
		time.Duration(s.GC.Mark), s.GC.Stops, time.Duration(s.GC.StopTime), time.Duration(s.GC.StopMax))
}

// budget says what keeps mayfly from more scans.
func (f *recordFlags) budget() string {
	if f.overhead == 0 && !f.timeline {
		return "the default --max-overhead allows (" + defaultOverhead + ")"
	}
	most := cmp.Or(f.overhead, percentage(profiler.DefaultBudget()))
	return fmt.Sprintf("--max-overhead %s of a core allows", most.String())
}

// remedy says what allows more scans, or that nothing does.
func (f *recordFlags) remedy() string {
	if f.overhead >= 1 {
		return "more than one core cannot be used"
	}
	more := percentage(min(2.5*cmp.Or(float64(f.overhead), profiler.DefaultBudget()), 1))
	return fmt.Sprintf("--max-overhead %s allows more, and finds more of the short goroutines", more.String())
}

// tellCPU is about the on-CPU samples.
func tellCPU(e *env, f *recordFlags, rec *profiler.Recording) {
	s := rec.Summary
	e.say("%s: %d samples in %s, %s CPU (rusage %s), %.0f Hz of %d, %d lost, %d goroutines, %.1f %% labelled",
		f.output, s.CPU.Samples, seconds(rec.Profile.DurationNanos), seconds(s.CPU.Profiled), seconds(s.CPU.Rusage),
		s.CPU.RateReached, s.RateAsked, s.CPU.Lost, s.Coverage.Seen, 100*(1-s.Labels.Unlabeled))
	if s.CPU.Samples == 0 {
		e.warn("no samples: the process used %s of CPU", time.Duration(s.CPU.Rusage))
	} else if off := float64(s.CPU.Counted)/float64(s.CPU.Rusage) - 1; s.CPU.Rusage > int64(300*time.Millisecond) &&
		(off > tolerance || off < -tolerance) {
		e.warn("the number of samples stands for %.0f %% of the CPU time: the program's rhythm and the sampling interfere; try another rate (-F)",
			100*(1+off))
	}
}

func seconds(ns int64) string { return fmt.Sprintf("%.2fs", float64(ns)/1e9) }
