package main

import (
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
	if s.Samples > 0 || s.EngineCPU == "ebpf" {
		tellCPU(e, f, rec)
	}
	if s.EngineWall != "none" {
		tellWall(e, f, rec)
	}
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

// tellLabels is about labels that are not what the program has.
func tellLabels(e *env, f *recordFlags, s profiler.Summary) {
	if s.LabelsLost > 0 {
		e.warn("%s: labels of %.4g %% of the time were gone before they could be read: %s in %d samples",
			f.output, 100*float64(s.LabelsLostTime)/float64(max(s.Wall, s.CPUProfiled, 1)), time.Duration(s.LabelsLostTime), s.LabelsLost)
	}
	if s.LabelsTruncated > 0 {
		e.warn("%s: %d samples have only some of their labels: a set is cut at 64 KiB, and all of them at 64 MiB", f.output, s.LabelsTruncated)
	}
	if s.LabelsForeign > 0 {
		e.say("%s: %d goroutines have no labels here: their g.labels holds something else, as with goroutine-local stores",
			f.output, s.LabelsForeign)
	}
	if len(s.LabelsRenamed) > 0 {
		e.say("%s: labels of the program were renamed, because go.* belongs to mayfly: %q", f.output, s.LabelsRenamed)
	}
	if s.StringsRepaired > 0 {
		e.say("%s: %d labels, names and paths were not UTF-8; U+FFFD stands for the wrong bytes", f.output, s.StringsRepaired)
	}
}

// tellChildren says so when most of the CPU time was used by processes that the recorded one had started.
func tellChildren(e *env, s profiler.Summary) {
	if s.ChildrenCPU < max(s.CPURusage, int64(100*time.Millisecond)) {
		return
	}
	names, remedy := "", "record them by themselves: mayfly record -p PID, while they run"
	if len(s.Children) > 0 {
		pid, _, _ := strings.Cut(s.Children[0], " ")
		names, remedy = ": "+strings.Join(s.Children, ", "), "record them by themselves: mayfly record -p "+pid
	}
	e.warn("%s of CPU time here, %s in children%s; %s", seconds(s.CPURusage), seconds(s.ChildrenCPU), names, remedy)
}

// tellWall is about the goroutine table.
func tellWall(e *env, f *recordFlags, rec *profiler.Recording) {
	s := rec.Summary
	e.say("%s: all states %s, goroutine table %.0f Hz, %d goroutines, %d idle left out",
		f.output, seconds(s.Wall), s.TableRate, s.GoroutinesSeen, s.GoroutinesIdle)
	if s.GoroutinesCreated > 0 {
		share := 100 / float64(s.GoroutinesCreated)
		e.say("%s: %d goroutines created, %.1f %% of them seen (100 Hz would have seen %.1f %%)",
			f.output, s.GoroutinesCreated, share*float64(s.GoroutinesNew), share*float64(s.GoroutinesAt100))
	}
	if s.TableRate < rare*float64(s.RateAsked) && s.TableLowest < rare*float64(s.RateAsked) {
		e.say("%s: %.0f scans a second of %d is what --max-overhead %s of a core allows; %s",
			f.output, s.TableRate, s.RateAsked, f.overhead.String(), f.remedy())
	}
	for _, l := range s.Lives {
		e.detail("goroutines by life, and at 100 Hz: %s", l)
	}
	e.detail("garbage collection: marking for %s; %d stops of the world, %s in all, longest below %s",
		time.Duration(s.GCMark), s.STWGC, time.Duration(s.STWGCTime), time.Duration(s.STWGCMax))
}

// remedy says what allows more scans, or that nothing does.
func (f *recordFlags) remedy() string {
	if f.overhead >= 1 {
		return "more than one core cannot be used"
	}
	more := percentage(min(2.5*float64(f.overhead), 1))
	return fmt.Sprintf("--max-overhead %s allows more, and finds more of the short goroutines", more.String())
}

// tellCPU is about the on-CPU samples.
func tellCPU(e *env, f *recordFlags, rec *profiler.Recording) {
	s := rec.Summary
	e.say("%s: %d samples in %s, %s CPU (rusage %s), %.0f Hz of %d, %d lost, %d goroutines, %.1f %% labelled",
		f.output, s.Samples, seconds(rec.Profile.DurationNanos), seconds(s.CPUProfiled), seconds(s.CPURusage),
		s.RateReached, s.RateAsked, s.Lost, s.GoroutinesSeen, 100*(1-s.UnlabeledShare))
	if s.Samples == 0 {
		e.warn("no samples: the process used %s of CPU", time.Duration(s.CPURusage))
	} else if off := float64(s.CPUCounted)/float64(s.CPURusage) - 1; s.CPURusage > int64(300*time.Millisecond) &&
		(off > tolerance || off < -tolerance) {
		e.warn("the number of samples stands for %.0f %% of the CPU time: the program's rhythm and the sampling interfere; try another rate (-F)",
			100*(1+off))
	}
}

func seconds(ns int64) string { return fmt.Sprintf("%.2fs", float64(ns)/1e9) }
