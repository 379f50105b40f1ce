// Command stress records itself with package profiler, one session after the other by all engines in
// turn, while its goroutines do what makes a runtime's structures move: stacks that grow and shrink,
// labels, threads that end, garbage, stops of the world.
//
// With -end it crashes instead of stopping, in whatever phase the session is: panic, fatal (an error
// that cannot be recovered), nil (a load from address 0), segv, abort (signals of those names), exit (in the
// middle of a session). Truth: sessions by engine, the errors of Stop, children that are left.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/mayfly-profiler/mayfly/profiler"
	"github.com/mayfly-profiler/mayfly/profiler/inprocess"
	"github.com/mayfly-profiler/mayfly/testdata/run"
)

var how = flag.String("end", "", "how to crash; empty: not at all")

// work is what goroutines do until the end, each in several of them.
var work = []func(){deepen, name, allocate, hand, leaveThread, collect}

// deepen grows a stack to some 100 KB, time and again on a new goroutine.
func deepen() {
	done := make(chan int)
	go func() { done <- deep(rand.IntN(1000)) }()
	<-done
}

//go:noinline
func deep(n int) int {
	var frame [12]int
	frame[n%len(frame)] = n
	if n == 0 {
		return 0
	}
	return deep(n-1) + frame[(n+1)%len(frame)]
}

// name starts goroutines with labels that change while they live.
func name() {
	pprof.Do(context.Background(), pprof.Labels("request", strconv.Itoa(rand.Int())), func(ctx context.Context) {
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				pprof.SetGoroutineLabels(pprof.WithLabels(ctx, pprof.Labels("step", strings.Repeat("x", rand.IntN(64)))))
				time.Sleep(time.Duration(rand.IntN(2000)) * time.Microsecond)
			})
		}
		wg.Wait()
	})
}

func allocate() {
	m := make(map[string][]byte)
	for i := range 200 {
		m[strconv.Itoa(i)] = make([]byte, rand.IntN(4096))
	}
	runtime.KeepAlive(m)
}

// hand passes a value around between goroutines that wait for one of several.
func hand() {
	a, b := make(chan int), make(chan int)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			select {
			case v := <-a:
				b <- v
			case <-time.After(time.Millisecond):
			}
		})
	}
	select {
	case a <- 1:
		<-b
	case <-time.After(time.Millisecond):
	}
	wg.Wait()
}

// leaveThread ends the thread that it ran on.
func leaveThread() {
	done := make(chan bool)
	go func() {
		runtime.LockOSThread()
		syscall.Getpid()
		close(done)
	}()
	<-done
	time.Sleep(5 * time.Millisecond)
}

// collect stops the world, for two reasons.
func collect() {
	runtime.GC()
	runtime.GOMAXPROCS(1 + rand.IntN(4))
	time.Sleep(20 * time.Millisecond)
}

// tally is the program's truth.
type tally struct {
	sessions map[string]int
	errors   []string
}

// record runs one session after the other until the program ends, and one in any case.
func record() (t tally) {
	t.sessions = make(map[string]int)
	engines := append(profiler.Engines(), "")
	for i := 0; i == 0 || !run.Stopped(); i++ {
		o := inprocess.Options{Engine: engines[i%len(engines)], Share: 0.3}
		if o.Engine != profiler.FGProf && o.Engine != profiler.Table && i%3 == 0 {
			o.Mode = profiler.CPU
		}
		s, err := inprocess.Start(o)
		if errors.Is(err, fs.ErrPermission) || errors.Is(err, errors.ErrUnsupported) {
			continue // not on this host
		}
		if err != nil {
			t.errors = append(t.errors, fmt.Sprintf("%s: %v", o.Engine, err))
			continue
		}
		time.Sleep(time.Duration(rand.IntN(300)) * time.Millisecond)
		rec, err := s.Stop()
		if err == nil {
			err = rec.Profile.CheckValid()
		}
		if err != nil {
			t.errors = append(t.errors, fmt.Sprintf("%s: %v", o.Engine, err))
			continue
		}
		t.sessions[rec.Summary.EngineCPU+" and "+rec.Summary.EngineWall]++
	}
	return t
}

// children counts this process's, zombies included.
func children() (n int) {
	files, err := filepath.Glob("/proc/self/task/*/children")
	run.Check(err)
	for _, f := range files {
		b, _ := os.ReadFile(f) // the thread may be gone
		n += len(strings.Fields(string(b)))
	}
	return n
}

func crash(how string) {
	switch how {
	case "panic":
		panic("as asked")
	case "fatal":
		new(sync.Mutex).Unlock()
	case "nil":
		var p *int
		*p = 1
	case "segv":
		run.Check(syscall.Kill(os.Getpid(), syscall.SIGSEGV))
	case "abort":
		run.Check(syscall.Kill(os.Getpid(), syscall.SIGABRT))
	case "exit":
		os.Exit(3)
	}
	time.Sleep(time.Hour) // the signal is on its way
}

func main() {
	flag.Parse()
	for _, f := range work {
		for range 2 {
			go func() {
				for !run.Stopped() {
					f()
				}
			}()
		}
	}
	recorded := make(chan tally)
	go func() { recorded <- record() }()
	run.Ready()
	run.Wait()
	if *how != "" {
		crash(*how)
	}
	t := <-recorded
	truth := run.Measure()
	truth["sessions"], truth["errors"], truth["children"] = t.sessions, t.errors, children()
	run.Truth(truth)
}
