// Command session records itself with package profiler and knows what it should see.
//
// Its goroutines have the label "kind". Those that burn CPU are locked to a thread each and count
// that thread's CPU time; the others wait. Truth: the wall time and CPU time of each kind within the
// window, ns, from before Start returned until Stop was called.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/mayfly-profiler/mayfly/profiler"
	"github.com/mayfly-profiler/mayfly/profiler/inprocess"
	"github.com/mayfly-profiler/mayfly/testdata/run"
)

var (
	output  = flag.String("o", "", "file for the profile")
	engine  = flag.String("engine", "", "engine of the session")
	mode    = flag.String("mode", "wall", "wall or cpu")
	rate    = flag.Int("rate", 0, "Hz")
	share   = flag.Float64("share", 0, "of the machine's CPU time that the session may use")
	deny    = flag.String("deny", "", "system calls that are denied from the start, comma-separated")
	burners = flag.Int("burners", 0, "goroutines that burn without a pause, besides the others")
	parked  = flag.Int("parked", 0, "goroutines that wait for ever, without labels")
	plain   = flag.Bool("plain", false, "no session: somebody else looks")
	ballast = flag.Int("ballast", 0, "MiB of memory that the program has")
	grow    = flag.Int("grow", 0, "MiB more that it takes while it is recorded")
	again   = flag.Int("again", 0, "sessions of 300 ms, before the one that is told about")
	block   = flag.Bool("block", false, "a label that cannot be read, from the middle of the session on")
	crash   = flag.Bool("crash", false, "panic instead of stopping")
)

// kind is what goroutines with one label did.
type kind struct {
	n         int64
	cpu, wall atomic.Int64 // ns
}

var kinds = map[string]*kind{}

// start starts n goroutines of a kind; each lives until the end.
func start(name string, n int, f func(*kind)) {
	k := &kind{n: int64(n)}
	kinds[name] = k
	for range n {
		go pprof.Do(context.Background(), pprof.Labels("kind", name), func(context.Context) { f(k) })
	}
}

// burning locks the goroutine to a thread, and repeats: burn for so long, then pause.
func burning(burn, pause time.Duration) func(*kind) {
	return func(k *kind) {
		runtime.LockOSThread()
		last := run.ThreadCPU()
		for !run.Stopped() {
			for end := time.Now().Add(burn); time.Now().Before(end); {
				spin()
			}
			now := run.ThreadCPU()
			k.cpu.Add(int64(now - last))
			last = now
			if pause > 0 {
				time.Sleep(pause)
			}
		}
	}
}

var sink atomic.Uint64

//go:noinline
func spin() {
	x := uint64(1)
	for i := range uint64(20000) {
		x = x*31 + i
	}
	sink.Store(x)
}

func sleeping(k *kind) {
	for !run.Stopped() {
		time.Sleep(20 * time.Millisecond)
	}
}

func calling(k *kind) {
	for !run.Stopped() {
		nap := syscall.NsecToTimespec(int64(20 * time.Millisecond))
		syscall.Nanosleep(&nap, nil)
	}
}

// spawning starts short-lived goroutines, which measure their own lives.
func spawning(task *kind) {
	for !run.Stopped() {
		time.Sleep(10 * time.Millisecond)
		go pprof.Do(context.Background(), pprof.Labels("kind", "task"), func(context.Context) {
			begin := time.Now()
			time.Sleep(60 * time.Millisecond)
			task.wall.Add(int64(time.Since(begin)))
		})
	}
}

type reading struct {
	at        time.Time
	process   time.Duration // CPU time
	cpu, wall map[string]int64
}

func read() reading {
	r := reading{time.Now(), run.CPU(), map[string]int64{}, map[string]int64{}}
	for name, k := range kinds {
		r.cpu[name], r.wall[name] = k.cpu.Load(), k.wall.Load()
	}
	return r
}

// since is the truth of a window.
func (r reading) since(begin reading) map[string]interface{} {
	cpu, wall := map[string]int64{}, map[string]int64{}
	for name, k := range kinds {
		cpu[name] = r.cpu[name] - begin.cpu[name]
		wall[name] = r.wall[name] - begin.wall[name] + k.n*int64(r.at.Sub(begin.at))
	}
	return map[string]interface{}{"cpu_ns": cpu, "wall_ns": wall, "process_ns": int64(r.process - begin.process),
		"window_ns": int64(r.at.Sub(begin.at))}
}

// memory is so many MiB that are there, each a millisecond after the one before.
func memory(mib int) []byte {
	b := make([]byte, mib<<20)
	for i := 0; i < len(b); i += 4096 {
		if b[i] = 1; i%(1<<20) == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	return b
}

// sessions are recorded one after the other, while the program takes more memory. It counts those that failed, and says
// what the last of them did.
func sessions(o inprocess.Options) (failed int, why string) {
	for range *again {
		s, err := inprocess.Start(o)
		run.Check(err)
		more := memory(*grow)
		time.Sleep(300 * time.Millisecond)
		if _, err := s.Stop(); err != nil {
			failed, why = failed+1, err.Error()
		}
		runtime.KeepAlive(more)
		more = nil
		debug.FreeOSMemory()
	}
	return failed, why
}

func main() {
	flag.Parse()
	refuse(*deny)
	start("half", 1, burning(20*time.Millisecond, 20*time.Millisecond))
	start("fifth", 1, burning(8*time.Millisecond, 32*time.Millisecond))
	start("sleep", 3, sleeping)
	start("call", 1, calling)
	if *burners > 0 {
		start("burn", *burners, burning(5*time.Millisecond, 0))
	}
	task := &kind{}
	kinds["task"] = task
	start("spawn", 1, func(*kind) { spawning(task) })
	for range *parked {
		go func() { select {} }()
	}
	time.Sleep(100 * time.Millisecond)
	if *plain {
		begin := read()
		run.Ready()
		run.Wait()
		run.Truth(read().since(begin))
		return
	}
	options := inprocess.Options{Engine: profiler.Engine(*engine), Mode: profiler.Mode(*mode), Rate: *rate, Share: *share}
	if *block {
		value, err := run.Unreadable()
		run.Check(err)
		time.AfterFunc(time.Second, func() {
			pprof.Do(context.Background(), pprof.Labels("blocked", value), func(context.Context) { time.Sleep(time.Hour) })
		})
	}
	held := memory(*ballast)
	failed, why := sessions(options)
	s, err := inprocess.Start(options)
	run.Check(err)
	begin := read()
	run.Ready(fmt.Sprintf("pid=%d", os.Getpid()))
	run.Wait()
	end := read()
	if *crash {
		panic("as asked")
	}
	rec, err := s.Stop()
	run.Check(err)
	truth := end.since(begin)
	truth["summary"], truth["failed"], truth["why"] = rec.Summary, failed, why
	runtime.KeepAlive(held)
	if *output != "" {
		f, err := os.Create(*output)
		run.Check(err)
		run.Check(rec.Profile.Write(f))
		run.Check(f.Close())
	}
	run.Truth(truth)
}
