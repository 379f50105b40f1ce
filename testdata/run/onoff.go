//go:build onoff

// How dear runtime/pprof is can only be measured on a virtual machine by switching it on and off
// many times a second, and its own StartCPUProfile and StopCPUProfile take 100 ms. With the tag
// onoff (and the linker flag -checklinkname=0) a program switches the profiler's timers alone, as
// whoever shares its page asks. The profile is kept open meanwhile.
//
// To ask: fill in RateWord and ProfileWord, add 1 to AskedWord, send SIGUSR2, wait until DoneWord
// has the same value.

package run

import (
	"os"
	"os/signal"
	"runtime"
	"runtime/pprof"
	"sync/atomic"
	"syscall"
	"time"
	_ "unsafe" // for go:linkname
)

// Words of the page.
const (
	AskedWord   = 1 + iota // number of the request
	DoneWord               // number of the last request that was carried out
	RateWord               // rate in Hz that the timers run at; 0: not at all
	ProfileWord            // 1 while a profile is open; then it is written to the page's name + ".pprof"
	WallWord               // a profiler of all goroutines that runs: one of the constants below; 0: none
	SamplesWord            // how often those scanned the goroutines so far
)

// Profilers of all goroutines.
const (
	Fgprof           = 1 // at its own 99 Hz; in programs built with the tag fgprof
	GoroutineProfile = 2 // runtime.GoroutineProfile at RateWord Hz, and nothing done with it
)

// setcpuprofilerate arms or disarms the timers that send SIGPROF (runtime/proc.go).
//
//go:linkname setcpuprofilerate runtime.setcpuprofilerate
func setcpuprofilerate(hz int32)

func init() { shared = obey }

func obey(name string, page *[512]uint64) {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR2)
	go func() {
		var profile *os.File
		var wall func() // ends the profiler of all goroutines
		for range asked {
			rate := int(atomic.LoadUint64(&page[RateWord]))
			if wall != nil {
				wall()
				wall = nil
			}
			if start := walls[atomic.LoadUint64(&page[WallWord])]; start != nil {
				wall = start(rate, &page[SamplesWord])
				rate = 0
			}
			profile = open(profile, name, atomic.LoadUint64(&page[ProfileWord]) == 1)
			setcpuprofilerate(int32(rate))
			// A thread arms its timer when it next begins to run a goroutine: stop the world,
			// so that all do so now.
			var ms runtime.MemStats
			runtime.ReadMemStats(&ms)
			atomic.StoreUint64(&page[DoneWord], atomic.LoadUint64(&page[AskedWord]))
		}
	}()
}

// open starts or ends the profile, if that has not been done yet.
func open(profile *os.File, name string, want bool) *os.File {
	switch {
	case want && profile == nil:
		f, err := os.Create(name + ".pprof")
		Check(err)
		Check(pprof.StartCPUProfile(f))
		return f
	case !want && profile != nil:
		pprof.StopCPUProfile()
		Check(profile.Close())
		return nil
	}
	return profile
}

// walls starts profilers of all goroutines; what it returns ends them, and waits for that.
var walls = map[uint64]func(rate int, samples *uint64) (stop func()){GoroutineProfile: startGoroutineProfile}

func startGoroutineProfile(rate int, samples *uint64) func() {
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(time.Second / time.Duration(rate))
		defer tick.Stop()
		var all []runtime.StackRecord
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			n, ok := runtime.GoroutineProfile(all)
			if !ok {
				all = make([]runtime.StackRecord, n+n/10+10)
				runtime.GoroutineProfile(all)
			}
			atomic.AddUint64(samples, 1)
		}
	}()
	return func() { close(stop); <-done }
}
