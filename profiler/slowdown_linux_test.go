package profiler

// What does a wall recording cost its target? Events, scans of the table and the builder that works
// beside the target on the same CPUs are switched on and off; "table" is without the events, which are what internal/source/bpf has a
// benchmark of. The scheduler's tracepoints stay
// attached, in slices of both kinds: to load and to free them would disturb the slices, and 100 ns
// a switch are 0.03 % of a CPU at the 3,000 switches a second here. Beside it, in the same table, what a program can do
// itself: fgprof, and its core, runtime.GoroutineProfile, with nothing done with what it returns.
//
//	go test -run '^$' -bench Slowdown -benchtime 1x -timeout 60m ./profiler

import (
	"context"
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/onoff"
	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/internal/target"
)

var slowdownRounds = flag.Int("slowdown.rounds", 15, "blocks of slices per variant in BenchmarkSlowdown; 15 take about 8 minutes")

// The profilers in the target need long slices to look a few times in each. Short ones are better
// where they will do. Each length has its own A/A.
var (
	short = onoff.Cut{Slice: 20 * time.Millisecond, Pairs: 20}
	long  = onoff.Cut{Slice: 100 * time.Millisecond, Pairs: 5}
)

func BenchmarkSlowdown(b *testing.B) {
	var tables []string
	for _, n := range []int{100, 1000, 10000} {
		b.Run(fmt.Sprintf("goroutines=%d", n), func(b *testing.B) {
			c := onoff.New(b, onoff.Load{Program: "spin", Args: []string{"-n", "1", "-procs", "2", "-parked", fmt.Sprint(n)},
				Build: target.Build{Tags: "onoff,fgprof", Module: true}})
			w := openWall(b, c.Target.PID)
			rows := c.Rows(b, *slowdownRounds, []onoff.Variant{
				{Name: "aa:20ms", Cut: short},
				{Name: "table:999", Cut: short, Attach: func() (onoff.Profiler, error) { return w.only(w.tableAlone), nil }},
				{Name: "wall:999", Cut: short, Attach: func() (onoff.Profiler, error) { return w.only(w.sources), nil }},
				{Name: "aa:100ms", Cut: long},
				{Name: "fgprof:99", Cut: long, Attach: func() (onoff.Profiler, error) { return c.Own(onoff.Fgprof, 0) }},
				{Name: "gprofile:99", Cut: long, Attach: func() (onoff.Profiler, error) { return c.Own(onoff.GoroutineProfile, 99) }},
			})
			for _, r := range rows {
				b.Run(r.Name, func(b *testing.B) { onoff.Report(b, r, true) })
			}
			tables = append(tables, onoff.Table(fmt.Sprintf("%d parked goroutines and one that burns, on 2 CPUs; %s", n, w.cost()), rows, true))
		})
	}
	fmt.Println("\nWork with the profiler, as a share of that without. A sample is a scan of all goroutines.")
	fmt.Println(strings.Join(tables, ""))
}

// wall is a wall recording that is switched on and off. It stays open all the time, and with it what
// it knows of the goroutines.
type wall struct {
	*recording
	run    func(context.Context) error
	cancel context.CancelFunc
	done   chan error
	began  time.Time
	scans  int64 // when the block began
	lit    time.Duration
	cpu    time.Duration
}

func openWall(b *testing.B, pid int) *wall {
	r, err := open(context.Background(), pid, Options{Mode: Wall, MaxOverhead: 1})
	target.Need(b, err)
	b.Cleanup(r.close)
	if r.sched == nil || r.source == nil || r.table == nil {
		b.Skip(r.summary.Denied)
	}
	w := &wall{recording: r}
	w.only(w.sources)
	if err := w.Start(); err != nil { // what the first looks cost is no steady state
		b.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); r.table.Stats().Complete == 0 && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	if err := w.Stop(); err != nil {
		b.Fatal(err)
	}
	w.lit, w.cpu, w.scans = 0, 0, r.table.Stats().Ticks
	return w
}

// only says what is switched.
func (w *wall) only(run func(context.Context) error) *wall {
	w.run = run
	return w
}

func (w *wall) tableAlone(ctx context.Context) error { return w.table.Run(ctx, w.add) }

func (w *wall) Start() error {
	if err := w.Stop(); err != nil {
		return err
	}
	w.done = make(chan error, 1)
	var ctx context.Context
	ctx, w.cancel = context.WithCancel(context.Background())
	w.began, w.cpu = time.Now(), w.cpu-proc.OwnCPU()
	go func() { w.done <- w.run(ctx) }()
	return nil
}

func (w *wall) Stop() error {
	if w.cancel == nil {
		return nil
	}
	w.cancel()
	w.lit += time.Since(w.began)
	w.cpu += proc.OwnCPU()
	err := <-w.done
	w.cancel = nil
	return err
}

// Settle is some scans: what they do after a pause is not what they do always.
func (w *wall) Settle() time.Duration { return 10 * time.Millisecond }

func (w *wall) Close() (uint64, error) {
	err := w.Stop()
	before := w.scans
	w.scans = w.table.Stats().Ticks
	return uint64(w.scans - before), err
}

// cost is mayfly's own CPU time while it was on.
func (w *wall) cost() string {
	return fmt.Sprintf("mayfly itself used %.1f %% of a core", 100*w.cpu.Seconds()/w.lit.Seconds())
}
