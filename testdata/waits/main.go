// Command waits has goroutines that wait for channels, timers, locks, groups and conditions, whose addresses it knows.
// Some wait all the time, some take turns.
//
// Each waits under the pprof label "on", which is its truth: what it waits for, as a profile says it. Who takes turns has
// several, with "|" between them. -sync sets GODEBUG=asynctimerchan=0, which is the default only of modules that require
// Go 1.23.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"sort"
	"strings"
	"sync"
	"time"
	"unsafe"

	"github.com/mayfly-profiler/mayfly/testdata/run"
)

// under runs f in a goroutine labelled with what it waits for.
func under(f func(), on ...string) {
	go pprof.Do(context.Background(), pprof.Labels("on", strings.Join(on, "|")), func(context.Context) { f() })
}

// since says whether this was built by a release from go1.MINOR on.
func since(minor int) bool {
	var n int
	fmt.Sscanf(runtime.Version(), "go1.%d", &n)
	return n >= minor
}

func object(kind string, p unsafe.Pointer) string { return fmt.Sprintf("%s %p", kind, p) }

// semaphore is what the runtime knew of locks and groups before it had a word for them.
func semaphore(p unsafe.Pointer, offset uintptr) string {
	return fmt.Sprintf("semaphore %#x", uintptr(p)+offset)
}

func mutex(m *sync.Mutex) string {
	if !since(20) {
		return semaphore(unsafe.Pointer(m), 4)
	}
	return object("mutex", unsafe.Pointer(m))
}

func rwmutex(m *sync.RWMutex, offset uintptr) string {
	if !since(20) {
		return semaphore(unsafe.Pointer(m), offset)
	}
	return object("rwmutex", unsafe.Pointer(m))
}

func group(g *sync.WaitGroup) string {
	if !since(24) {
		return semaphore(unsafe.Pointer(g), 8)
	}
	return object("waitgroup", unsafe.Pointer(g))
}

func channel(c chan int, op string) string {
	return strings.TrimSpace(fmt.Sprintf("chan %p cap=%d len=%d %s", c, cap(c), len(c), op))
}

// timer is the channel of one: only one that is synchronous hides its buffer.
func timer(c <-chan time.Time) string {
	if cap(c) == 0 {
		return fmt.Sprintf("timer %p", c)
	}
	return fmt.Sprintf("chan %p cap=1 len=0 of=time.Time recv", c)
}

// cases are those of a select, which has them in the order of their addresses.
func cases(list ...string) string {
	sort.SliceStable(list, func(i, j int) bool { return strings.Fields(list[i])[1] < strings.Fields(list[j])[1] })
	return strings.Join(list, ", ")
}

var global struct {
	pad uint32
	mu  sync.Mutex
	rw  sync.RWMutex
}

// lock is one line that locks whatever it is given.
//
//go:noinline
func lock(l sync.Locker) { l.Lock() }

func channels() {
	empty, buffered, full, unread := make(chan int), make(chan int, 3), make(chan int, 2), make(chan int)
	full <- 1
	full <- 2
	for i := 0; i < 3; i++ {
		under(func() { <-empty }, channel(empty, "recv"))
		under(func() { <-buffered }, channel(buffered, "recv"))
		under(func() { full <- 3 }, channel(full, "send"))
		under(func() { unread <- 1 }, channel(unread, "send"))
	}
	one, two, three := make(chan int), make(chan int, 1), make(chan int, 1)
	three <- 1
	var never chan int
	under(func() {
		select {
		case <-one:
		case <-two:
		case three <- 2:
		case <-never:
		}
	}, cases(channel(one, "recv"), channel(two, "recv"), channel(three, "send")))
	self := make(chan int)
	under(func() {
		select {
		case <-self:
		case self <- 1:
		}
	}, cases(channel(self, ""), channel(self, "")))
	var c [12]chan int
	var all []string
	for i := range c {
		c[i] = make(chan int, i)
		all = append(all, channel(c[i], map[bool]string{true: "send", false: "recv"}[i == 0]))
	}
	under(func() {
		select {
		case c[0] <- 1:
		case <-c[1]:
		case <-c[2]:
		case <-c[3]:
		case <-c[4]:
		case <-c[5]:
		case <-c[6]:
		case <-c[7]:
		case <-c[8]:
		case <-c[9]:
		case <-c[10]:
		case <-c[11]:
		}
	}, cases(all...))
}

func timers() {
	t, tick, done := time.NewTimer(time.Hour), time.NewTicker(time.Hour), make(chan int)
	under(func() { <-t.C }, timer(t.C))
	under(func() {
		select {
		case <-tick.C:
		case <-done:
		}
	}, cases(timer(tick.C), channel(done, "recv")))
	other := make(chan [3]uint64, 1)
	under(func() { <-other }, fmt.Sprintf("chan %p cap=1 len=0 recv", other))
}

func locks() {
	own := new(sync.Mutex)
	own.Lock()
	global.mu.Lock()
	for i := 0; i < 3; i++ {
		under(func() { lock(own) }, mutex(own))
		under(func() { lock(&global.mu) }, mutex(&global.mu))
	}
	read, written := new(sync.RWMutex), &global.rw
	read.RLock()
	under(func() { lock(read) }, rwmutex(read, 8)) // a writer waits for a reader,
	written.Lock()
	under(func() { lock(written) }, mutex((*sync.Mutex)(unsafe.Pointer(written)))) // another writer,
	under(func() { lock(written.RLocker()) }, rwmutex(written, 12))                // and readers for a writer
	g := new(sync.WaitGroup)
	g.Add(1)
	under(g.Wait, group(g))
	cond := sync.NewCond(new(sync.Mutex))
	for i := 0; i < 3; i++ {
		under(func() {
			cond.L.Lock()
			cond.Wait()
		}, object("cond", unsafe.Pointer(cond)))
	}
}

// takesTurns is under for what does not wait for long.
func takesTurns(f func(), on ...string) {
	under(f, append([]string{""}, on...)...)
}

// turns has goroutines that do not wait for long.
func turns() {
	pause := func() { time.Sleep(3 * time.Millisecond) }
	for i := 0; i < 2; i++ {
		a, b := make(chan int), make(chan int)
		on := []string{channel(a, "send"), channel(b, "recv"), channel(a, "recv"), channel(b, "send")}
		takesTurns(func() {
			for {
				a <- 1
				<-b
			}
		}, on[:2]...)
		takesTurns(func() {
			for {
				<-a
				pause()
				b <- 1
			}
		}, on[2:]...)
	}
	quit, work := make(chan int), make(chan int)
	takesTurns(func() {
		for {
			select {
			case <-work:
			case <-quit:
			}
		}
	}, cases(channel(quit, "recv"), channel(work, "recv")))
	takesTurns(func() {
		for {
			pause()
			work <- 1
		}
	}, channel(work, "send"))
	m, n := new(sync.Mutex), new(sync.Mutex)
	for i := 0; i < 4; i++ {
		takesTurns(func() {
			for {
				for _, l := range []*sync.Mutex{m, n} {
					lock(l)
					pause()
					l.Unlock()
				}
			}
		}, mutex(m), mutex(n))
	}
	for i := 0; i < 2; i++ {
		g := new(sync.WaitGroup)
		takesTurns(func() {
			for {
				g.Add(1)
				go func() {
					pause()
					g.Done()
				}()
				g.Wait()
			}
		}, group(g))
	}
	cond := sync.NewCond(new(sync.Mutex))
	for i := 0; i < 3; i++ {
		takesTurns(func() {
			for {
				cond.L.Lock()
				cond.Wait()
				cond.L.Unlock()
			}
		}, object("cond", unsafe.Pointer(cond)), mutex(cond.L.(*sync.Mutex)))
	}
	go func() {
		for {
			pause()
			cond.Broadcast()
		}
	}()
}

func main() {
	synchronous := flag.Bool("sync", false, "timers as modules of Go 1.23 have them")
	flag.Parse()
	if *synchronous {
		os.Setenv("GODEBUG", "asynctimerchan=0")
	}
	channels()
	timers()
	locks()
	turns()
	time.Sleep(50 * time.Millisecond)
	run.Ready()
	run.Wait()
	run.Truth(run.Measure())
}
