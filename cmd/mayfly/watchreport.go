package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/printable"
	"github.com/mayfly-profiler/mayfly/internal/report"
	"github.com/mayfly-profiler/mayfly/profiler"
)

// traceLimit is how much of an execution trace is asked for, MiB: what it takes to read is some twenty times as much.
const traceLimit = 16

// report writes all that there is to say of a breach, and tells who wants to know.
func (x *watcher) report(b *breach) {
	event := breachEvent{Time: b.at.UTC(), PID: x.pid, Program: x.name, SLO: x.flags.objective.SLO.String(), Why: b.state.Breach,
		Requests: b.state.All, Slow: b.state.Over}
	x.write(b, &event)
	text, err := event.json()
	if err != nil {
		x.env.warn("%v", err)
	}
	x.tell(&event, text)
	var sending sync.WaitGroup
	sending.Go(func() { x.send(b) })
	x.callHooks(&event, text)
	sending.Wait()
}

// prepare makes of a breach's recording what is sent to a server, before the report, which uses its samples up.
func (x *watcher) prepare(b *breach, p *profile.Profile) {
	if x.backlog == nil {
		return
	}
	var err error
	if b.pushed, err = x.flags.push.prepare(b.stem+".pb.gz", p); err != nil {
		x.env.warn("%s", oneLine(err.Error()))
	}
}

// send sends it, and says which of its labels stay here.
func (x *watcher) send(b *breach) {
	if b.pushed == nil {
		return
	}
	b.pushed.tell(x.env)
	x.backlog.send(context.Background(), b.pushed, filepath.Base(b.stem))
}

// write writes the files of a breach, one breach at a time. What fails is said, and is no reason to stop watching.
func (x *watcher) write(b *breach, event *breachEvent) {
	x.turn <- struct{}{}
	defer func() {
		debug.FreeOSMemory() // it needs much for a moment, and the host's memory is the target's
		<-x.turn
	}()
	b.stem = x.store.stem(b.at, x.pid)
	if err := x.writeRecording(b, event); err != nil {
		x.env.warn("%s", oneLine(err.Error()))
	}
	x.env.detail("%s: the report was written %s after the breach was seen", x.title(), time.Since(b.at).Round(10*time.Millisecond))
	if b.healthy != nil {
		x.file(b.stem+healthySuffix, &event.Files.Healthy, func(path string) error { return x.writeWindow(b.healthy, path) })
	}
	if err := x.store.prune(x.env); err != nil {
		x.env.warn("%s", oneLine(err.Error()))
	}
}

// writeRecording writes the recording around the breach, and the report on it.
func (x *watcher) writeRecording(b *breach, event *breachEvent) error {
	rec, err := b.window.Recording()
	if err != nil {
		return err
	}
	event.Program = cmp.Or(programOf(rec.Profile), event.Program)
	files := &event.Files
	x.file(b.stem+".pb.gz", &files.Profile, func(path string) error { return writeProfile(x.env, path, rec.Profile) })
	x.prepare(b, rec.Profile)
	in := &reportInput{name: files.Profile, recording: rec.Profile, limit: traceLimit << 20}
	b.trace.into(in)
	reports, err := x.judge(in, b)
	if err != nil {
		return fmt.Errorf("report on %s.pb.gz: %w", b.stem, err)
	}
	event.Verdict, event.Cause = string(reports[0].Verdict), reports[0].Cause
	for format, note := range map[string]*string{"markdown": &files.Report, "json": &files.JSON} {
		x.file(b.stem+resultExtensions[format][0], note, func(path string) error {
			return writeResult(x.env, &resultFlags{output: path, format: format}, report.Formats(), reports)
		})
	}
	if in.fetched != nil {
		x.file(b.stem+".trace", &files.Trace, func(path string) error {
			return writeOutput(x.env, output{path, binaryData}, func(to io.Writer) error { _, err := to.Write(in.fetched); return err })
		})
	}
	return nil
}

// judge makes the report: with the execution trace, which says more, if the requests of its few seconds break the objective too.
func (x *watcher) judge(in *reportInput, b *breach) ([]*report.Report, error) {
	o := report.Options{SLO: x.flags.objective.SLO, Request: x.flags.objective.Request, Recording: in.name, Hanging: true}
	if b.healthy != nil {
		o.Notes = append(o.Notes, fmt.Sprintf("mayfly diff %s %s compares with a time in which the objective was met",
			printable.Shell(b.stem+healthySuffix), printable.Shell(b.stem+".pb.gz")))
	}
	samples := in.recording.Sample
	if in.trace != nil {
		samples = slices.Clone(samples) // a report uses them up
	}
	reports, err := in.report(o)
	if in.trace == nil || err == nil && reports[0].Verdict == report.Broken {
		return reports, err
	}
	in.recording.Sample, in.trace = samples, nil
	in.notes = append(in.notes, "the execution trace of the last seconds has too few slow requests to be of use")
	return in.report(o)
}

// file writes a file, and notes where it is if that went well.
func (x *watcher) file(path string, note *string, write func(path string) error) {
	if err := write(path); err != nil {
		x.env.warn("%s", oneLine(err.Error()))
		return
	}
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	*note = path
}

func (x *watcher) writeWindow(window *profiler.Window, path string) error {
	rec, err := window.Recording()
	if err != nil {
		return err
	}
	return writeProfile(x.env, path, rec.Profile)
}

// json is the event as one line.
func (b *breachEvent) json() ([]byte, error) {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	err := enc.Encode(b)
	return text.Bytes(), err
}

// tell prints a breach on stdout: one line.
func (x *watcher) tell(event *breachEvent, text []byte) {
	x.env.clear()
	if x.flags.json {
		_, _ = jsonText.writer(x.env.stdout).Write(text)
		return
	}
	fmt.Fprintln(x.env.stdout, printable.Line(event.line()))
}

// line is what is said of a breach.
func (b *breachEvent) line() string {
	text := fmt.Sprintf("%s %d %s: %s", b.Time.Format(time.RFC3339), b.PID, b.Program, b.Why)
	switch {
	case b.Cause != nil:
		text += "; " + b.Cause.Sentence
	case b.Verdict != "":
		text += "; the report on the recording says " + b.Verdict
	}
	if b.Files.Report != "" {
		text += " (" + b.Files.Report + ")"
	}
	return text
}

// programOf is the file name of the program that a profile is of.
func programOf(p *profile.Profile) string {
	if len(p.Mapping) == 0 {
		return ""
	}
	return printable.Line(filepath.Base(p.Mapping[0].File))
}
