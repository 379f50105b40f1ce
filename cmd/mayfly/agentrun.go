package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/choose"
	"github.com/mayfly-profiler/mayfly/internal/printable"
	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/internal/resource"
	"github.com/mayfly-profiler/mayfly/profiler"
)

const (
	agentMemory = 64 << 20        // of a slice: beyond that labels with many values lose them
	lastPush    = 5 * time.Second // for what is left to be sent at the end
	startsOver  = 5 * time.Second // after a start, what only that needed is given back: the tables of a program are many megabytes
)

// agent is one under way.
type agent struct {
	env     *env
	flags   *agentFlags
	store   *store            // nil: there are servers
	queues  []*outlet         // one for each server
	host    map[string]string // what the environment says of this host
	chosen  atomic.Pointer[[]choose.Expr]
	idle    *time.Timer // gives memory back when no process has begun for a while
	meter   agentMeter
	fleet   atomic.Pointer[fleet]
	demands demands
	turn    sync.Mutex
	has     map[int]int // goroutines by process; under turn
	failing string      // what kept the last slice from being kept; under turn
}

// outlet is a server, and what waits for it.
type outlet struct {
	*backlog
	flags *pushFlags
}

// runAgent records until ctx ends.
func runAgent(ctx context.Context, e *env, f *agentFlags) error {
	store, err := openStore(e, "agent", f.output)
	if err != nil {
		return err
	}
	store.limit, store.files = f.disk.diskLimit, ofSlice
	a := newAgent(e, f, store)
	e.say("recording the Go processes of this host, %s; Ctrl-C ends", a.where())
	var stops []func()
	for _, q := range a.queues {
		stops = append(stops, q.start(ctx))
	}
	reread := make(chan os.Signal, 1)
	if f.config != "" {
		signal.Notify(reread, syscall.SIGHUP)
		defer signal.Stop(reread)
	}
	a.fleet.Store(a.newFleet(ctx))
	if f.metrics != "" {
		err = a.serve(ctx, f.metrics)
	}
	for err == nil && ctx.Err() == nil {
		err = a.record(ctx, reread)
	}
	for _, stop := range stops {
		stop()
	}
	a.idle.Stop()
	a.demands.wg.Wait()
	a.end()
	return err
}

// newFleet has the budget of the one before: what has been spent is counted on.
func (a *agent) newFleet(ctx context.Context) *fleet {
	fl := newFleet(a.env, a.fleetOptions(), func(ev event) error { return a.hear(ctx, &ev) })
	if before := a.fleet.Load(); before != nil {
		fl.budget = before.budget
	}
	return fl
}

// record records until ctx ends, or other processes are to be recorded, or in another way.
func (a *agent) record(ctx context.Context, reread <-chan os.Signal) error {
	running, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- a.fleet.Load().run(running) }()
	for {
		select {
		case err := <-ended:
			return err
		case <-reread:
			switch names := a.reread(); {
			case len(names) == 0:
				continue
			case slices.Equal(names, []string{"select"}): // what is still meant goes on
				a.fleet.Load().judge()
				continue
			}
			stop()
			err := <-ended
			a.fleet.Store(a.newFleet(ctx))
			return err
		}
	}
}

func newAgent(e *env, f *agentFlags, s *store) *agent {
	a := &agent{env: e, flags: f, has: make(map[int]int), meter: agentMeter{begun: make(map[int]bool)},
		demands: demands{of: make(map[int]bool), ours: make(map[int]bool)}, host: resource.Host(e.getenv("OTEL_RESOURCE_ATTRIBUTES")),
		idle: time.AfterFunc(startsOver, debug.FreeOSMemory)}
	a.chosen.Store(&f.chosen)
	if len(f.servers) == 0 {
		a.store = s
	}
	quiet := *e
	quiet.quiet = !e.verbose // one line for each slice is too much
	for _, p := range f.servers {
		dir := filepath.Join(s.dir, "queue-"+strings.ToLower(string(p.server.Protocol)))
		a.queues = append(a.queues, &outlet{flags: p, backlog: &backlog{env: &quiet, command: "agent", many: true, dir: dir, limit: f.queue,
			server: p.server, skip: make(map[string]bool), fresh: make(chan struct{}, 1)}})
	}
	return a
}

// where says where profiles go.
func (a *agent) where() string {
	if a.store != nil {
		return "profiles go to " + a.store.dir
	}
	text := "profiles go to " + a.queues[0].server.Where()
	for _, q := range a.queues[1:] {
		text += " and " + q.server.Where()
	}
	return text
}

// fleetOptions are what is recorded. Which processes that is can change while they are.
func (a *agent) fleetOptions() fleetOptions {
	f := a.flags
	return fleetOptions{processFlags: processFlags{all: true}, command: "agent", grown: time.Duration(f.minAge), search: searchEvery,
		execs: true, overhead: f.overhead, options: f.options(), host: profiler.NewHost(f.rate),
		chosen: func(p *proc.Process, main string) bool {
			return !a.demands.has(p.PID()) && choose.Any(*a.chosen.Load(), subject(p, main))
		}}
}

// hear takes up what a fleet says of a process. No error ends its recording.
func (a *agent) hear(ctx context.Context, ev *event) error {
	title := printable.Line(fmt.Sprintf("%d %s", ev.pid, ev.name))
	switch {
	case ev.note != "":
		a.env.say("%s", ev.note)
	case ev.over:
		a.over(ctx, ev, title)
	case ev.gone:
	case ev.begun:
		a.env.say("recording %s", title)
		a.meter.add(func(m *agentMeter) { m.begun[ev.pid] = true })
		a.idle.Reset(startsOver)
	case ev.rec != nil:
		a.take(ev)
	}
	return nil
}

// over is the end of a process, or of its recording. Of one that ended before that had begun there is nothing to say.
func (a *agent) over(ctx context.Context, ev *event, title string) {
	a.turn.Lock()
	delete(a.has, ev.pid)
	a.limitMemory()
	a.turn.Unlock()
	failed := ev.err != nil && !errors.Is(ev.err, profiler.ErrNoProcess) && ctx.Err() == nil
	a.meter.add(func(m *agentMeter) {
		if delete(m.begun, ev.pid); failed {
			m.other++
		}
	})
	switch {
	case errors.Is(ev.err, profiler.ErrNoProcess):
	case failed:
		a.env.say("%s: %v", title, ev.err)
	default:
		a.env.say("%s: the recording has ended", title)
	}
}

// Memory that the garbage collector keeps an agent to: twice what was seen in use, or it would do nothing but collect.
const (
	agentBase      = 64 << 20
	agentRecording = 4 << 20 // of a process, without what it takes for each goroutine
)

// limitMemory has the garbage collector run in time; turn is locked.
func (a *agent) limitMemory() {
	bytes := int64(agentBase)
	for _, goroutines := range a.has {
		bytes += agentRecording + int64(goroutines)*perGoroutine
	}
	limitMemory(a.env, bytes)
}

// take keeps a slice, or has it sent: one at a time, with the memory of one. What fails is said when it begins to.
func (a *agent) take(ev *event) {
	a.turn.Lock()
	defer a.turn.Unlock()
	if n := int(ev.rec.Summary.Coverage.Seen); n > a.has[ev.pid] || n == 0 {
		a.has[ev.pid] = n
		a.limitMemory()
	}
	resource.AddHost(ev.rec.Profile, a.host)
	refused, err := a.keep(ev)
	a.meter.add(func(m *agentMeter) { m.count(ev.rec, refused, err) })
	if err == nil {
		a.failing = ""
	} else if text := oneLine(err.Error()); text != a.failing {
		a.failing = text
		a.env.warn("%s", text)
	}
}

// keep returns how many values of labels do not leave, too.
func (a *agent) keep(ev *event) (refused int, err error) {
	p := ev.rec.Profile
	stem := stemOf("slice", time.Unix(0, p.TimeNanos), ev.pid)
	if a.store != nil {
		path := filepath.Join(a.store.dir, stem+".pb.gz")
		if err := writeProfile(a.env, path, p); err != nil {
			return 0, err
		}
		return 0, a.store.added(a.env, sizeOf(path))
	}
	for i, q := range a.queues {
		o, perr := q.flags.prepare(stem+".pb.gz", p)
		if perr == nil {
			perr = q.put(o, stem)
		}
		err = cmp.Or(err, perr)
		if o != nil && i == 0 { // the labels are the same for all
			for _, r := range o.Refused {
				refused += r.Values
			}
		}
	}
	return refused, err
}

// sizeOf is how large a file is, 0 of one that is gone.
func sizeOf(path string) int64 {
	if st, err := os.Lstat(path); err == nil {
		return st.Size()
	}
	return 0
}

// end sends what is left, if there is a server, and says what is not sent.
func (a *agent) end() {
	ctx, cancel := context.WithTimeout(context.Background(), lastPush)
	defer cancel()
	var sending sync.WaitGroup
	for _, q := range a.queues {
		sending.Go(func() { q.drain(ctx, "") })
	}
	sending.Wait()
	for _, q := range a.queues {
		q.env = a.env
		q.end()
	}
}

// subject tells what a process has for the keys of --select. What cannot be read is nothing.
func subject(p *proc.Process, main string) choose.Subject {
	group := sync.OnceValue(func() proc.Group { g, _ := p.Group(); return g })
	return func(key, name string) []string {
		switch key {
		case "name":
			return some(programName(p))
		case "main":
			return some(main)
		case "exe":
			return some(p.ExePath())
		case "cmdline":
			return some(strings.Join(p.Cmdline(), " "))
		case "user":
			return users(p)
		case "container":
			return some(group().Container)
		case "pod":
			return some(group().Pod)
		case "cgroup":
			return some(group().Path)
		case "namespace":
			return some(p.Namespace())
		case "env:":
			if value, ok, _ := p.Variable(name); ok {
				return []string{value}
			}
		case "resource:":
			text, _ := p.Resource()
			return some(resource.Parse(text)[name])
		}
		return nil
	}
}

// some is a text, if it is one.
func some(text string) []string {
	if text == "" {
		return nil
	}
	return []string{text}
}

// users are the name and the number of who runs a process.
func users(p *proc.Process) []string {
	uid, err := p.UID()
	if err != nil {
		return nil
	}
	return []string{userOf(p), strconv.Itoa(uid)}
}
