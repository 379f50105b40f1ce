//go:build amd64 || arm64

package bpf

import (
	"errors"
	"slices"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/proc"
)

const followEvery = time.Second

// timers are events on CPUs, each in a rhythm of its own, that follow who may run there.
type timers struct {
	event     *Event          // nil: time
	target    *proc.Process   // whose threads they are on, where they are
	group     *proc.PerfGroup // that the target is in; nil: not known, or of no use
	prog      int             // descriptor of the program
	reach     reach
	events    events
	rhythm    rhythm
	followed  int64 // when the events last followed
	unsampled error // why a CPU that is to have an event has none

	enabled, running uint64 // of all events, as far as they were read
}

func (t *timers) open(prog, hz int) (err error) {
	t.prog = prog
	if t.onThreads() {
		t.events, err = openOnThreads(t.target, prog, t.event.attr(hz))
		return err
	}
	cpus, err := t.reach.cpus()
	if err != nil {
		return err
	}
	t.events, err = openEvents(prog, onCPUs(cpus), t.event.attr(hz))
	t.rhythm = newRhythm(len(t.events), int64(time.Second)/int64(hz))
	return err
}

func (t *timers) start() error {
	if err := t.events.start(); err != nil {
		return err
	}
	t.followed = proc.Monotonic()
	t.rhythm.start(t.followed)
	return nil
}

// turn gives the events that have had theirs for long enough another period, and follows. It is to be called some times a second.
func (t *timers) turn(hz int) {
	if t.onThreads() { // which inherit them
		return
	}
	if t.event == nil {
		t.rhythm.shuffle(int64(time.Second)/int64(hz), t.ran, t.events.period)
	}
	t.follow(hz)
}

// onThreads says that the events are on the target's threads and not on CPUs. A timer on a thread would be stopped and started at each
// switch; what the kernel counts itself costs next to nothing there.
func (t *timers) onThreads() bool { return t.event != nil && !t.event.onCPUs() }

// follow gives each CPU that is reached an event, and takes away those of others and those that have died with their CPU.
func (t *timers) follow(hz int) {
	now := proc.Monotonic()
	if now-t.followed < int64(followEvery) {
		return
	}
	t.followed = now
	cpus, err := t.reach.cpus()
	if err != nil {
		return // as before
	}
	if t.group != nil && t.group.Left() {
		t.widen(hz)
	}
	for i := len(t.events) - 1; i >= 0; i-- {
		if !t.narrow(i, hz) || !slices.Contains(cpus, t.events[i].cpu) {
			t.events[i].close()
			t.events = slices.Delete(t.events, i, i+1)
			t.rhythm.remove(i)
		}
	}
	t.unsampled = nil
	for _, cpu := range cpus {
		if !slices.ContainsFunc(t.events, func(e event) bool { return e.cpu == cpu }) {
			t.unsampled = errors.Join(t.unsampled, t.extend(cpu, hz))
		}
	}
}

// read adds up for how long an event was on since the last call. It says whether it was at all.
func (t *timers) read(i int) bool {
	enabled, running := t.events[i].read()
	t.enabled += enabled
	t.running += running
	return enabled > 0
}

// extend opens and enables an event on one more CPU, unless that went offline just now.
func (t *timers) extend(cpu, hz int) error {
	one, err := openEvents(t.prog, onCPUs([]int{cpu}), t.event.attr(hz))
	if err != nil || len(one) == 0 {
		return err
	}
	if err := one.start(); err != nil {
		one.Close()
		return err
	}
	t.events = append(t.events, one[0])
	t.rhythm.add(int64(time.Second)/int64(hz), proc.Monotonic())
	return nil
}
