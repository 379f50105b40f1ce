package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/bench"
	"github.com/mayfly-profiler/mayfly/internal/diff"
)

// readHistory reads what is in the file so far: what is wrong with it is said before an experiment of minutes.
func readHistory(path string) (lines []bench.Line, err error) {
	if path == "" {
		return nil, nil
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("history %s: %w", path, cause(err))
	}
	defer f.Close()
	if lines, err = bench.ReadHistory(f); err != nil {
		return nil, fmt.Errorf("history %s: %w; name another file, or take that line out", path, err)
	}
	return lines, nil
}

// historyLine is the result as a line of the history.
func (b *benchRun) historyLine(r *diff.Result, n bench.Noise) bench.Line {
	l := bench.Line{
		Time: time.Now().UTC(), Base: b.base.Name, New: b.new.Name, BaseCommit: b.base.Commit, NewCommit: b.new.Commit,
		GoVersion: r.New.GoVersion, CPUModel: r.New.CPUModel, Runs: [2]int{len(b.files[0]), len(b.files[1])}, Noise: n.CV, Outcome: r.Outcome,
		Benchmarks: make(map[string][2]float64),
	}
	after := bench.Common(b.times[1])
	for name, base := range bench.Common(b.times[0]) {
		l.Benchmarks[name] = [2]float64{meanNs(base), meanNs(after[name])}
	}
	return l
}

// remember adds a line to the history.
func (b *benchRun) remember(l bench.Line) error {
	line, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	root, err := makeFolder(b.e, filepath.Dir(b.f.history)) // no link leads out of it
	if err != nil {
		return writeError(b.f.history, err)
	}
	defer root.Close()
	file, err := root.OpenFile(filepath.Base(b.f.history), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return writeError(b.f.history, err)
	}
	giveToCaller(b.e, file)
	_, err = file.Write(append(line, '\n'))
	if err = errors.Join(err, file.Close()); err != nil {
		return writeError(b.f.history, err)
	}
	return nil
}

// meanNs is the mean of seconds, 0 of none.
func meanNs(seconds []float64) (ns float64) {
	for _, s := range seconds {
		ns += 1e9 * s / float64(len(seconds))
	}
	return ns
}

// benchFlags is the command line of bench.
type benchFlags struct {
	diff      diffFlags // how to compare, and the two sides
	pkg       string
	pattern   string
	benchtime string
	mode      string
	layouts   int
	runs      int
	time      duration
	keep      string
	history   string
}

// benchRun is one run of bench.
type benchRun struct {
	e     *env
	f     *benchFlags
	line  *progress
	base  *bench.Side
	new   *bench.Side
	dir   string // of the recordings
	files [2][]string
	times [2][]map[string]float64 // seconds for one operation, by run and benchmark
	ops   []map[string]float64    // operations of base's runs
	cpu   []float64               // CPU seconds of base's runs
	begin time.Time
	spent time.Duration // by all runs
	past  []bench.Line  // of the history
	duets duets
}
