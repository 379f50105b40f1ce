package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/top"
	"github.com/mayfly-profiler/mayfly/profiler"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// topFlags is the command line of top.
type topFlags struct {
	pid      int
	rate     int
	by       string
	order    string
	every    duration
	overhead percentage
	rows     int
	once     bool
	plain    bool
	json     bool
}

func (f *topFlags) stream(ctx context.Context, emit func(*profiler.Recording) error) error {
	o := profiler.StreamOptions{Every: time.Duration(f.every)}
	o.Rate, o.MaxOverhead, o.Alone = f.rate, float64(f.overhead), true
	o.Keep.Goroutines, o.Version = true, readBuild().Version
	return profiler.Stream(ctx, f.pid, o, emit)
}

// errEnough ends a stream from within.
var errEnough = errors.New("enough")

// orders are the columns that rows can be sorted by.
var orders = []struct {
	name string
	of   func(*top.Row) int64
}{
	{sample.ColumnWall, (*top.Row).Wall},
	{sample.ColumnCPU, func(r *top.Row) int64 { return r.CPU }},
	{sample.ColumnRunnable, func(r *top.Row) int64 { return r.Runnable }},
	{sample.ColumnBlocked, func(r *top.Row) int64 { return r.Blocked }},
	{"goroutines", func(r *top.Row) int64 { return int64(r.Goroutines) }},
	{"name", func(*top.Row) int64 { return 0 }},
}

func orderNames() string {
	var names []string
	for _, o := range orders {
		names = append(names, o.name)
	}
	return strings.Join(names, ", ")
}

func orderOf(name string) int {
	for i, o := range orders {
		if o.name == name {
			return i
		}
	}
	return -1
}

// order sorts rows by a column, largest first; the row without a label stays last.
func order(rows []top.Row, by int) {
	of := orders[by].of
	slices.SortFunc(rows, func(a, b top.Row) int { return top.Compare(&a, &b, of) })
}
