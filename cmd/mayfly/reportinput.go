package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/exectrace"
	"github.com/mayfly-profiler/mayfly/internal/report"
	"github.com/mayfly-profiler/mayfly/internal/samples"
	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

// reportInput is what a report is made of: a recording, or a file whose samples are read one by one, or an execution trace, or
// a trace beside one of the others.
type reportInput struct {
	name      string
	recording *profile.Profile
	file      *samples.File
	trace     io.Reader // nil, too, after a report that it was of no use for
	fetched   []byte    // the trace, if the process was asked for it
	// given says that the trace was named on the command line: it has to be of use.
	given  bool
	beside string // the path of the trace, if it is the one that lay beside the recording
	limit  int64
	notes  []string
}

// collectOften makes the garbage collector run before there is a quarter of garbage. What recordings and traces become has hardly a
// pointer, so that it costs little; and they may be hundreds of MB. Whoever sets GOGC knows better.
func collectOften(e *env) {
	if e.getenv == nil || e.getenv("GOGC") == "" {
		debug.SetGCPercent(25)
	}
}

func (in *reportInput) report(o report.Options) ([]*report.Report, error) {
	rec, t, unusable, err := in.read()
	if err != nil {
		return nil, err
	}
	o.Notes = append(o.Notes, in.notes...)
	if in.trace == nil {
		return report.Of(rec, o)
	}
	if err = unusable; err == nil {
		var reports []*report.Report
		if reports, err = report.Of(t.Timeline, in.tell(t, o)); err == nil {
			return reports, nil
		}
	}
	if in.given || rec == nil {
		return nil, err
	}
	in.trace = nil
	o.Notes = append(o.Notes, strings.TrimSpace("its execution trace "+in.beside)+" was of no use: "+oneLine(err.Error()))
	return report.Of(rec, o)
}

// tell adds what is to be known of the trace that is reported on.
func (in *reportInput) tell(t *exectrace.Trace, o report.Options) report.Options {
	o.Notes = slices.Clone(o.Notes)
	if t.Unread != "" {
		o.Notes = append(o.Notes, t.Unread+": what is behind that is not reported on")
	}
	if in.beside != "" {
		o.Notes = append(o.Notes, "with the execution trace "+in.beside)
	}
	return o
}

// timeline is that of the recording or the file, nil without one.
func (in *reportInput) timeline() (*timeline.Timeline, error) {
	switch {
	case in.recording != nil:
		return timeline.ReadAll(in.recording)
	case in.file == nil:
		return nil, nil
	}
	t, err := timeline.Read(in.file.Head, in.file.Each())
	if broken := in.file.Err(); broken != nil {
		return nil, fmt.Errorf("read %w", broken)
	}
	return t, err
}

// read reads the recording, and the trace at the same time: each takes seconds where there is much. A trace that is of no use, or none of
// the recording's seconds, is an error of its own.
func (in *reportInput) read() (rec *timeline.Timeline, t *exectrace.Trace, unusable, err error) {
	o := exectrace.Options{Bytes: in.limit}
	switch {
	case in.recording != nil:
		o.Epoch = timeline.Epoch(in.recording)
	case in.file != nil:
		o.Epoch = timeline.Epoch(in.file.Head)
	}
	var reading sync.WaitGroup
	if in.trace != nil {
		reading.Go(func() { t, unusable = exectrace.Read(in.trace, o) })
	}
	rec, err = in.timeline()
	reading.Wait()
	if t != nil && rec != nil {
		unusable = t.Join(rec)
	}
	return rec, t, unusable, err
}

// openReportInput opens what the command line names: a profile, a trace, or both; one of them may be "-", stdin.
func openReportInput(e *env, f *reportFlags) (in *reportInput, closeAll func(), err error) {
	in = &reportInput{name: f.args[0], given: f.trace != "", limit: int64(f.traceLimit) << 20}
	var opened []io.Closer
	closeAll = func() {
		for _, c := range opened {
			c.Close()
		}
	}
	for _, path := range []string{f.trace, f.args[0]} {
		var r io.Reader = e.stdin
		switch path {
		case "":
			continue
		case "-":
			path = "stdin"
		default:
			file, err := os.Open(path)
			if err != nil {
				closeAll()
				return nil, nil, fmt.Errorf("read %s: %w", path, cause(err))
			}
			opened, r = append(opened, file), file
		}
		if err := in.open(r, path); err != nil {
			closeAll()
			return nil, nil, fmt.Errorf("read %w", err)
		}
	}
	if !in.given && !f.noTrace && in.file != nil {
		opened = append(opened, in.openBeside(f.args[0]))
	}
	return in, closeAll, nil
}

// openBeside opens the trace that --keep wrote beside the recording, if it did. A trace of other seconds, from an earlier run, is of
// no use then, and said to be.
func (in *reportInput) openBeside(recording string) io.Closer {
	path := filepath.Join(filepath.Dir(recording), keptTrace)
	if st, err := os.Stat(path); filepath.Base(recording) != keptMayfly || err != nil || !st.Mode().IsRegular() {
		return io.NopCloser(nil)
	}
	file, err := os.Open(path)
	if err != nil {
		in.notes = append(in.notes, fmt.Sprintf("without the execution trace beside it: %s: %s", path, cause(err)))
		return io.NopCloser(nil)
	}
	in.trace, in.beside = file, path
	return file
}

// open takes a profile or, if it is one, an execution trace.
func (in *reportInput) open(r io.Reader, name string) (err error) {
	b := bufio.NewReaderSize(r, 64<<10)
	begin, _ := b.Peek(512)
	switch is := exectrace.Is(begin); {
	case is && in.trace != nil:
		return fmt.Errorf("%s: an execution trace too: one of the two has to be a profile", name)
	case is:
		in.trace = b
		return nil
	case in.given && in.trace == nil:
		return fmt.Errorf("%s: %w", name, exectrace.ErrNotTrace)
	}
	in.file, err = samples.Open(b, name)
	return err
}
