package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/bench"
	"github.com/mayfly-profiler/mayfly/internal/diff"
)

// benchRate is twice what record takes: how well the time of a function is known depends on the samples that it has, and here nobody else
// pays for them. Both sides are slower by it, by some percent.
const benchRate = "1999"

// duets are the runs side by side. They get a third of the time of those that are recorded.
type duets struct {
	names  []string       // of the benchmarks that both sides have
	ops    map[string]int // that one run does
	cpus   []int
	rounds []diff.Round // that are complete
	round  diff.Round   // that is under way
	left   []string     // benchmarks of it
	spent  time.Duration
	failed error // why a benchmark, or none, is run
}

// abreast runs benchmarks side by side until they had their share of the time.
func (b *benchRun) abreast(ctx context.Context) {
	d := &b.duets
	if d.cpus == nil && d.failed == nil {
		d.failed = b.plan()
	}
	for d.spent < b.spent/3 && len(d.names) > 0 {
		start := time.Now()
		err := b.duet(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil { // that benchmark is done without
			name := d.left[0]
			d.names = slices.DeleteFunc(d.names, func(n string) bool { return n == name })
			d.left, d.failed = d.left[1:], cmp.Or(d.failed, err)
		}
		d.spent += time.Since(start)
	}
}

// duet runs the next benchmark of the round.
func (b *benchRun) duet(ctx context.Context) error {
	d := &b.duets
	n, layouts := len(d.rounds), max(b.base.Layouts(), b.new.Layouts())
	if len(d.left) == 0 {
		d.left = slices.Clone(d.names)
		d.round = diff.Round{Layout: n % layouts, Base: make(map[string]float64), New: make(map[string]float64)}
	}
	name := d.left[0]
	took, err := bench.Duet{Benchmark: name, Ops: d.ops[name], Layout: n, CPU: d.cpus[n%len(d.cpus)], NewFirst: (n+n/layouts)%2 == 1}.
		Run(ctx, b.base, b.new)
	if err != nil {
		return err
	}
	d.round.Base[name], d.round.New[name] = took[0]*1e9, took[1]*1e9
	if d.left = d.left[1:]; len(d.left) == 0 {
		d.rounds = append(d.rounds, d.round)
	}
	return nil
}

// plan finds the benchmarks of both sides, and how many operations of each take --benchtime.
func (b *benchRun) plan() (err error) {
	d := &b.duets
	if d.cpus, err = bench.CPUs(); err != nil {
		return err
	}
	d.ops = make(map[string]int)
	after := bench.Common(b.times[1])
	for name, seconds := range bench.Common(b.times[0]) {
		if _, ok := after[name]; ok {
			d.ops[name] = b.f.operations(seconds[0])
		}
	}
	if len(d.ops) == 0 {
		return errors.New("bench: no benchmark that both sides have")
	}
	d.names = slices.Sorted(maps.Keys(d.ops))
	return nil
}

// operations are as many as --benchtime takes.
func (f *benchFlags) operations(seconds float64) int {
	if times, ok := strings.CutSuffix(f.benchtime, "x"); ok {
		n, err := strconv.Atoi(times)
		if err == nil {
			return max(n, 1)
		}
	}
	wanted, err := time.ParseDuration(f.benchtime)
	if err != nil { // the runs before would have failed
		wanted = time.Second
	}
	return int(min(max(math.Round(wanted.Seconds()/seconds), 1), 1e9))
}

// said is what the remark has of them.
func (d *duets) said() string {
	text := fmt.Sprintf("; %d rounds side by side on one CPU", len(d.rounds))
	if d.failed != nil {
		text += ", not of all benchmarks: " + oneLine(d.failed.Error())
	}
	return text
}
