package baseline

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"runtime/metrics"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// What a program can do itself to see all its goroutines, at the loads of BenchmarkTick in
// internal/source/goroutine: fgprof, and its core, runtime.GoroutineProfile, both at 99 Hz for two seconds.
// Scans per second, CPU time of the whole process for each above what it uses without, and for how
// long the world is stopped for each. For waking goroutines the difference of two CPU times of the
// process is what it is: mind the noise.
//
//	go test ./internal/baseline -run '^$' -bench Own -benchtime 1x
func BenchmarkOwn(b *testing.B) {
	var lines []string
	for _, n := range []int{10, 100, 1000, 10000, 100000} { // rising: the runtime walks over those that have ended, too
		for _, wake := range []time.Duration{0, 2 * time.Second} {
			for _, p := range []struct {
				name string
				run  func(time.Duration)
			}{{"fgprof", func(d time.Duration) { Wall(context.Background(), d) }}, {"GoroutineProfile", goroutineProfile}} {
				var c cost
				load := map[bool]string{true: "waking", false: "parked"}[wake > 0]
				b.Run(fmt.Sprintf("%s/%s/n=%d", p.name, load, n), func(b *testing.B) {
					c = own(n, wake, p.run)
					b.ReportMetric(c.hz, "hz")
					b.ReportMetric(float64(c.cpu), "cpu-ns/scan")
					b.ReportMetric(float64(c.stopped), "stw-ns/scan")
				})
				lines = append(lines, fmt.Sprintf("%-16s %-7s %7d %8.1f %12.0f %9.1f %12.0f", p.name, load, n, c.hz, c.cpu.Seconds()*1e6,
					100*c.cpu.Seconds()*c.hz, c.stopped.Seconds()*1e6))
			}
		}
	}
	fmt.Printf("\n%-16s %-7s %7s %8s %12s %9s %12s\n%s\n", "at 99 Hz", "load", "n", "scans/s", "CPU us/scan", "% of core",
		"stopped us", strings.Join(lines, "\n"))
}

// cost is what one scan costs.
type cost struct {
	hz           float64
	cpu, stopped time.Duration
}

const ownTime = 2 * time.Second

func own(n int, wake time.Duration, profile func(time.Duration)) cost {
	stop := make(chan struct{})
	defer time.Sleep(50 * time.Millisecond) // until the others have ended
	defer close(stop)
	for range n {
		go doze(stop, wake)
	}
	time.Sleep(200 * time.Millisecond)
	idle := processCPU()
	time.Sleep(ownTime)
	idle = processCPU() - idle
	stops, stopped := pauses()
	begin, cpu := time.Now(), processCPU()
	profile(ownTime)
	length := time.Since(begin)
	cpu = processCPU() - cpu - idle*length/ownTime
	after, stoppedAfter := pauses()
	scans := math.Floor((after - stops) / 2) // one at its beginning, one at its end
	if scans == 0 {
		return cost{}
	}
	return cost{scans / length.Seconds(), time.Duration(float64(cpu) / scans), time.Duration((stoppedAfter - stopped) / scans * 1e9)}
}

func doze(stop chan struct{}, wake time.Duration) {
	for wake > 0 {
		select {
		case <-stop:
			return
		case <-time.After(rand.N(2 * wake)):
		}
	}
	<-stop
}

func goroutineProfile(d time.Duration) {
	tick := time.NewTicker(time.Second / 99)
	defer tick.Stop()
	var all []runtime.StackRecord
	for end := time.Now().Add(d); time.Now().Before(end); <-tick.C {
		n, ok := runtime.GoroutineProfile(all)
		if !ok {
			all = make([]runtime.StackRecord, n+n/10+10)
			runtime.GoroutineProfile(all)
		}
	}
}

// pauses is how often the world was stopped for other things than garbage collection, and for how
// many seconds, by the runtime's histogram.
func pauses() (n, seconds float64) {
	s := []metrics.Sample{{Name: "/sched/pauses/total/other:seconds"}}
	metrics.Read(s)
	h := s[0].Value.Float64Histogram()
	for i, c := range h.Counts {
		n += float64(c)
		if c > 0 && i > 0 && i+2 < len(h.Buckets) {
			seconds += float64(c) * (h.Buckets[i] + h.Buckets[i+1]) / 2
		}
	}
	return n, seconds
}

func processCPU() time.Duration {
	var ru unix.Rusage
	unix.Getrusage(unix.RUSAGE_SELF, &ru)
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}
