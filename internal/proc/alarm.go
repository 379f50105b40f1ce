package proc

import (
	"context"
	"iter"
	"slices"
	"sync"
	"time"
)

// To wake up costs a process that does little more than what it does then. Twenty goroutines with timers of their own wake it twenty
// times; and each timer of Go's twice, since the network poller waits for whole milliseconds, and the runtime's monitor on its own thread
// for the same timer. So who waits in mayfly has an alarm: all of them share one timer of the kernel's, and who need not be woken at
// once is woken with others.

// Alarm calls a function at moments by Monotonic. It is for one goroutine at a time, and to be closed.
type Alarm struct {
	ring       func()
	at, latest int64 // ns; latest 0: none is set
}

// NewAlarm returns an alarm that calls ring. A call may come a moment after a later Set, or after Close. All are called by one goroutine,
// one after the other: to do what little there is to do there and then costs less than to wake another one for it. What does not return
// for ringPatience is left behind, and the others are called by another goroutine from then on.
func NewAlarm(ring func()) *Alarm {
	a := &Alarm{ring: ring}
	alarms.open(a)
	return a
}

// Set has ring called once, not before a moment and at latest at another one, ns: when others are woken. It takes the place of what was
// set before.
func (a *Alarm) Set(at, latest int64) { alarms.set(a, at, max(at, latest, 1)) }

// Close ends what NewAlarm began.
func (a *Alarm) Close() { alarms.close(a) }

// alarms are those of this process.
var alarms alarmSet

type alarmSet struct {
	mu   sync.Mutex
	all  []*Alarm
	hand hand  // nil: there is none
	next int64 // what it is set to
}

// hand is a timer that wakes one goroutine.
type hand interface {
	set(at int64) // by Monotonic, in ns; it takes the place of what was set
	wait() bool   // until then; false: it is closed
	close()
}

// never is later than anything.
const never = 1<<63 - 1

func (x *alarmSet) open(a *Alarm) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.all = append(x.all, a); x.hand == nil {
		x.hand, x.next = newHand(), never
		go x.run(x.hand)
	}
}

func (x *alarmSet) set(a *Alarm, at, latest int64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if a.at, a.latest = at, latest; latest < x.next && x.hand != nil {
		x.next = latest
		x.hand.set(latest)
	}
}

func (x *alarmSet) close(a *Alarm) {
	x.mu.Lock()
	defer x.mu.Unlock()
	a.latest = 0
	if x.all = slices.DeleteFunc(x.all, func(b *Alarm) bool { return a == b }); len(x.all) == 0 && x.hand != nil {
		x.hand.close()
		x.hand = nil
	}
}

// ringPatience is for how long the others wait for one who was called.
const ringPatience = time.Second

// ringer is who calls.
type ringer struct {
	set  *alarmSet
	hand hand

	mu   sync.Mutex
	due  []*Alarm // who is to be called,
	next int      // from here on
	busy bool     // one of them is being called
	left bool     // and does not return: another ringer has the hand, and the others
}

func (x *alarmSet) run(h hand) { (&ringer{set: x, hand: h}).run() }

// run calls those that are due, and then those that are due next, until the hand is closed or another ringer has it.
func (r *ringer) run() {
	watch := time.AfterFunc(ringPatience, r.replace)
	defer watch.Stop()
	for {
		for a := r.take(); a != nil; a = r.take() {
			a.ring()
		}
		watch.Stop()
		if r.left || !r.hand.wait() {
			return
		}
		watch.Reset(ringPatience)
		r.due, r.next = r.set.take(r.hand, Monotonic(), r.due[:0]), 0
	}
}

// take returns who is to be called next, nil if there is nobody.
func (r *ringer) take() *Alarm {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.busy = !r.left && r.next < len(r.due); !r.busy {
		return nil
	}
	r.next++
	return r.due[r.next-1]
}

// replace has another ringer call the others, if one does not return.
func (r *ringer) replace() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.busy {
		r.left = true
		go (&ringer{set: r.set, hand: r.hand, due: r.due[r.next:]}).run()
	}
}

// take appends those that are to ring now, and sets the timer for the others.
func (x *alarmSet) take(h hand, now int64, due []*Alarm) []*Alarm {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.hand != h {
		return due // another goroutine has those that there are
	}
	x.next = never
	for _, a := range x.all {
		switch {
		case a.latest == 0:
		case a.at <= now:
			a.latest = 0
			due = append(due, a)
		default:
			x.next = min(x.next, a.latest)
		}
	}
	if x.next != never {
		h.set(x.next)
	}
	return due
}

// mostSlack is for how long a tick may wait for others.
const mostSlack = int64(64 * time.Millisecond)

// Ticker is a time.Ticker whose ticks wait for other alarms, up to a quarter of its period. Who takes one later than the next is due misses
// that.
type Ticker struct {
	C <-chan struct{}

	alarm *Alarm
	from  int64
	d     int64
}

// NewTicker ticks at the end of each period d, counted from a moment by Monotonic. Those from 0 on are the same for all.
func NewTicker(d time.Duration, from int64) *Ticker {
	c := make(chan struct{}, 1)
	t := &Ticker{C: c, from: from, d: int64(d)}
	t.alarm = NewAlarm(func() {
		select {
		case c <- struct{}{}:
		default:
		}
		t.set()
	})
	t.set()
	return t
}

func (t *Ticker) set() {
	past := Monotonic() - t.from
	at := t.from + past - past%t.d + t.d
	t.alarm.Set(at, at+min(t.d/4, mostSlack))
}

// Close ends the ticks.
func (t *Ticker) Close() { t.alarm.Close() }

// Sleep returns after d, or up to a quarter later, or when ctx has ended.
func Sleep(ctx context.Context, d time.Duration) {
	over := make(chan struct{}, 1)
	a := NewAlarm(func() { over <- struct{}{} })
	defer a.Close()
	at := Monotonic() + int64(d)
	a.Set(at, at+min(int64(d)/4, mostSlack))
	select {
	case <-over:
	case <-ctx.Done():
	}
}

// Ticks yields at the end of each period d, the same ones for all, until ctx ends.
func Ticks(ctx context.Context, d time.Duration) iter.Seq[struct{}] {
	return func(yield func(struct{}) bool) {
		t := NewTicker(d, 0)
		defer t.Close()
		for {
			select {
			case <-ctx.Done():
				return
			case <-t.C:
				if !yield(struct{}{}) {
					return
				}
			}
		}
	}
}

// goHand is a hand by a timer of Go's.
type goHand struct {
	timer *time.Timer
	over  chan struct{}
}

func newGoHand() hand {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return &goHand{t, make(chan struct{})}
}

func (h *goHand) set(at int64) { h.timer.Reset(time.Duration(at - Monotonic())) }

func (h *goHand) wait() bool {
	select {
	case <-h.timer.C:
		return true
	case <-h.over:
		return false
	}
}

func (h *goHand) close() {
	h.timer.Stop()
	close(h.over)
}
