package profiler

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/fold"
	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/internal/source"
	"github.com/mayfly-profiler/mayfly/symbolize"
)

// attach opens everything that needs the target, in the order of what is likeliest to be refused. What can
// be done before a program that is to be started has begun is done before: it may be over in some
// milliseconds, and its mappings with it.
func (r *recording) attach(ctx context.Context) error {
	layout, err := r.layout()
	if errors.Is(err, ErrNotGo) && !errors.Is(err, goruntime.ErrPacked) && r.options.Pending != nil {
		if err = r.await(ctx); err == nil {
			layout, err = r.layout()
		}
	}
	if err != nil {
		return err
	}
	missing := r.attachCPU(layout)
	if missing != nil && r.options.Engine.forcesCPU() {
		return missing
	}
	if err := r.attachEvents(layout); err != nil {
		return err
	}
	wall := (r.options.Mode == Wall || r.source == nil) && layout != nil
	var tableErr error
	if wall {
		tableErr = r.prepareTable(layout)
	}
	if err := r.release(layout); err != nil {
		return err
	}
	if wall && tableErr == nil {
		tableErr = r.attachTable(layout)
	}
	if tableErr != nil {
		r.deny("states of goroutines that are not on a CPU: " + tableErr.Error())
	}
	r.attachCalls(layout)
	r.attachExact(layout)
	r.attachArrivals(layout)
	if r.source == nil && r.table == nil {
		if missing == nil { // nobody asked for more than the table
			missing = errors.New(r.summary.Denied[len(r.summary.Denied)-1])
		}
		return missing // neither source: the first one's remedy is the one that helps
	}
	if bin, _ := r.golang(); bin != nil {
		bin.Drop()
	}
	if r.own != nil {
		r.own.Drop()
	}
	r.keep = r.kept()
	b := fold.NewBuilder(r.symbols, r.keep)
	b.Limit(cmp.Or(r.options.MemoryLimit, DefaultMemoryLimit))
	r.slices = fold.NewSlices(b)
	r.summary.Self.Attach = time.Since(r.opened).Nanoseconds()
	return nil
}

// kept is what the profile keeps: what was asked for, as far as the sources that there are tell it.
func (r *recording) kept() fold.Keep {
	asked := r.options.Keep
	k := fold.Keep{Goroutines: asked.Goroutines, Timeline: asked.Timeline, Idle: asked.Idle,
		Events: r.eventNames()}
	k.Wall, k.TableOnly = r.options.Mode == Wall && r.table != nil, r.source == nil
	k.TableToo = k.Wall && r.source != nil && r.sched == nil && !k.Timeline
	return k
}

// release lets a program begin that is to be started, and opens the symbols of what is mapped.
func (r *recording) release(l *goruntime.Layout) (err error) {
	o := symbolize.Options{Space: r.memory}
	if p := r.options.Pending; p != nil {
		f, err := r.openImage()
		if err != nil {
			return err
		}
		o.Ahead = symbolize.OpenAhead(f)
		if err := r.begin(); err != nil {
			return errors.Join(err, o.Ahead.Close())
		}
	}
	if r.symbols, err = symbolize.New(r.target, o); err != nil {
		return err
	}
	return r.know(l)
}

// begin starts the on-CPU source and then the program.
func (r *recording) begin() error {
	if err := r.startSources(); err != nil {
		return err
	}
	r.started = time.Now()
	return r.options.Pending.Release()
}

// startSources have samples taken from now on: what a recording says of a time before would be that nothing ran. To enable an
// event takes long where others open and close theirs.
func (r *recording) startSources() error {
	if r.source != nil {
		if err := r.source.Start(); err != nil {
			return err
		}
	}
	for _, e := range r.events {
		if err := e.source.Start(); err != nil {
			return err
		}
	}
	return nil
}

func open(ctx context.Context, pid int, o Options) (*recording, error) {
	r, err := openTarget(pid, o)
	if err != nil {
		return nil, err
	}
	if err := r.attachOne(ctx); err != nil {
		r.leave()
		return nil, err
	}
	return r, nil
}

// attachOne attaches what there is, to one program.
func (r *recording) attachOne(ctx context.Context) error {
	err := r.enter(ctx, func() error { return r.attach(ctx) })
	// While a process executes a program there is a moment in which it has no memory that could be read.
	if (r.replaced() || errors.Is(err, ErrNoProcess) && r.target.Alive()) && !errors.Is(err, ErrNotGo) {
		err = r.place(source.ErrExec)
	}
	return r.orGone(err)
}

// openTarget opens the process and nothing more.
func openTarget(pid int, o Options) (*recording, error) {
	r := &recording{options: o, opened: time.Now(), reported: reported{self: proc.OwnCPU()}}
	if r.options.Rate == 0 {
		r.options.Rate = DefaultRate
	}
	if r.options.Scans == 0 {
		r.options.Scans = r.options.Rate
	}
	r.rate = r.options.Rate
	if r.options.Share > 0 {
		r.options.MaxOverhead = min(cores(r.options.Share), 1) // of the table, until it is known what the rest takes
	}
	if r.options.Mode == "" {
		r.options.Mode = Wall
	}
	if r.options.Alone && r.options.Budget == nil {
		most := r.options.MaxOverhead
		if most == 0 && r.options.Keep.Timeline { // it is asked for causes, which scans find
			most = DefaultBudget()
		}
		r.options.Budget = NewBudget(most)
	}
	var err error
	if r.target, err = proc.Open(pid); errors.Is(err, ErrNoProcess) {
		return nil, fmt.Errorf("record %d: %w (mayfly list shows the Go processes)", pid, ErrNoProcess)
	} else if err != nil {
		return nil, fmt.Errorf("record %d: %w", pid, err)
	}
	if r.options.Pending == nil {
		r.memory, _ = r.target.Space() // who may not have it hears of that below, with the process's name
	}
	r.family = proc.NewFamily(r.target)
	if r.options.Keep.Timeline {
		r.accepts = &acceptors{target: r.target}
	}
	r.readSurroundings()
	return r, nil
}

// readSurroundings reads what the target's speed depends on beside its code: worth having, and not worth failing for.
func (r *recording) readSurroundings() {
	r.cpus, _ = r.target.CPUs()
	r.offset = r.target.TimeOffset()
	s := &r.summary
	hardware := proc.ReadHardware()
	s.Host.CPUModel, s.Host.Features, s.Host.Governor = hardware.Model, hardware.Features, hardware.Governor
	s.Host.Settings, _ = r.target.Settings()
	s.Host.Hostname, _ = os.Hostname()
	if host, err := proc.HostRights(); err == nil {
		s.Target.Kernel = host.Kernel
	}
	s.Target.Resource, _ = r.target.Resource()
	s.Target.PID = r.target.PID()
	s.Host.Quota = r.target.Quota()
}
