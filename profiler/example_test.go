package profiler_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/mayfly-profiler/mayfly/profiler"
)

// refused says whether this host does not allow what was asked for: then the examples have nothing to show.
func refused(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, errors.ErrUnsupported)
}

// The process is this one here; in earnest it is another one.
func ExampleRecord() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	o := profiler.Options{Started: func(profiler.Summary) { time.AfterFunc(300*time.Millisecond, stop) }}
	rec, err := profiler.Record(ctx, os.Getpid(), o)
	if err != nil {
		fmt.Println("a profile:", refused(err))
		return
	}
	fmt.Println("a profile:", rec.Profile.CheckValid() == nil && rec.Profile.DurationNanos > 0)
	// Output: a profile: true
}

// A stream ends with its context, or with an error of the function that gets the slices.
func ExampleStream() {
	enough := errors.New("enough")
	o := profiler.StreamOptions{Every: 200 * time.Millisecond}
	err := profiler.Stream(context.Background(), os.Getpid(), o, func(rec *profiler.Recording) error {
		return enough
	})
	fmt.Println(errors.Is(err, enough) || refused(err))
	// Output: true
}

// A tenth of a core, or a hundredth of the CPUs.
func ExampleDefaultBudget() {
	fmt.Println(profiler.DefaultBudget() >= profiler.DefaultMaxOverhead)
	// Output: true
}

// Streams of several processes within one budget: 5 % of a core, and 999 samples a second on each CPU. The second is this
// process, too; in earnest they are others.
func ExampleNewBudget() {
	enough := errors.New("enough")
	o := profiler.StreamOptions{Every: 200 * time.Millisecond}
	o.Budget = profiler.NewBudget(0.05)
	var wg sync.WaitGroup
	for _, pid := range []int{os.Getpid(), os.Getpid()} {
		wg.Go(func() {
			err := profiler.Stream(context.Background(), pid, o, func(rec *profiler.Recording) error { return enough })
			fmt.Println(errors.Is(err, enough) || refused(err))
		})
	}
	wg.Wait()
	fmt.Println(o.Budget.Spent() > 0, o.Budget.Rate(999))
	// Output:
	// true
	// true
	// true 999
}

// Streams of several processes with one event on each CPU, of 97 samples a second.
func ExampleNewHost() {
	enough := errors.New("enough")
	o := profiler.StreamOptions{Every: 200 * time.Millisecond}
	o.Host, o.Rate = profiler.NewHost(97), 97
	err := profiler.Stream(context.Background(), os.Getpid(), o, func(rec *profiler.Recording) error { return enough })
	fmt.Println(errors.Is(err, enough) || refused(err))
	// Output:
	// true
}

// All goroutines of a process, as they are now.
func ExampleDump() {
	all, err := profiler.Dump(context.Background(), os.Getpid())
	found := refused(err)
	for _, g := range all {
		found = found || g.ID == 1 && g.Function == "runtime.main"
	}
	fmt.Println(found)
	// Output: true
}

// What this host allows, best first. An engine that cannot be used says why not and what would help.
func ExampleProbe() {
	for _, rung := range profiler.Probe() {
		fmt.Println(rung.Engine, rung.Err == nil || refused(rung.Err))
	}
	// Output:
	// ebpf true
	// perf true
	// table true
}

// The last seconds are kept until something happens that makes them worth having.
func ExampleRing() {
	ring := profiler.NewRing(profiler.RingOptions{Before: 10 * time.Second, After: time.Second, CoolDown: time.Minute})
	_, first := ring.Trigger(time.Now(), "latency", "p99 > 300 ms")
	_, second := ring.Trigger(time.Now(), "latency", "p99 > 300 ms")
	fmt.Println(first, second) // the second is part of the first one's window
	ctx, stop := context.WithTimeout(context.Background(), time.Second)
	defer stop()
	err := profiler.Stream(ctx, os.Getpid(), profiler.StreamOptions{}, func(rec *profiler.Recording) error {
		window, err := ring.Add(rec)
		if window != nil {
			_, err = window.Recording() // in earnest it is written to a file
		}
		return err
	})
	fmt.Println(err == nil || refused(err) || errors.Is(err, context.DeadlineExceeded))
	// Output:
	// true false
	// true
}

// The names are perf's.
func ExampleEventNames() {
	fmt.Println(slices.Contains(profiler.EventNames(), "page-faults"))
	// Output: true
}

// An engine's name comes from a flag or a query.
func ExampleParseEngine() {
	e, err := profiler.ParseEngine("perf")
	fmt.Println(e == profiler.Perf, err)
	_, err = profiler.ParseEngine("dtrace")
	fmt.Println(err)
	// Output:
	// true <nil>
	// engine "dtrace": not one of ebpf, perf, runtime, table, fgprof
}
