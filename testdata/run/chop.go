//go:build chop

// How dear runtime/pprof is can only be measured on a virtual machine by switching it on and off
// many times a second, and its own StartCPUProfile and StopCPUProfile take 100 ms. With the tag
// chop (and the linker flag -checklinkname=0) a program switches the profiler's timers alone, as
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
	_ "unsafe" // for go:linkname
)

// Words of the page.
const (
	AskedWord   = 1 + iota // number of the request
	DoneWord               // number of the last request that was carried out
	RateWord               // rate in Hz that the timers run at; 0: not at all
	ProfileWord            // 1 while a profile is open; then it is written to the page's name + ".pprof"
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
		for range asked {
			profile = open(profile, name, atomic.LoadUint64(&page[ProfileWord]) == 1)
			setcpuprofilerate(int32(atomic.LoadUint64(&page[RateWord])))
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
