//go:build unix

package fgprof_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"runtime/metrics"
	"runtime/pprof"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/baseline"
	"github.com/mayfly-profiler/mayfly/profiler/fgprof"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// BenchmarkBeside holds mayfly's handler beside fgprof in a service of some goroutines, most of
// which wait, over windows of 3 s. Reported per window:
//
//	cpu%      CPU time of the process and of the helper when it has ended, of one CPU: the service itself is the row none
//	stw-ms/s  stops of the world per second, by the runtime's own histograms
//	hz        scans a second
//	work/s    pieces of work of a goroutine that computes: hold it beside the row none
//
//	go test ./profiler/fgprof -run xxx -bench Beside -benchtime 1x
func BenchmarkBeside(b *testing.B) {
	for _, n := range []int{10, 1000, 10000} {
		for _, p := range []struct {
			name string
			run  func(context.Context, time.Duration) (*profile.Profile, error)
		}{{"none", nothing}, {"fgprof", baseline.Wall}, {"mayfly", overHTTP}} {
			b.Run(fmt.Sprintf("%d/%s", n, p.name), func(b *testing.B) { beside(b, n, p.run) })
		}
	}
}

const window = 3 * time.Second

func nothing(_ context.Context, d time.Duration) (*profile.Profile, error) {
	time.Sleep(d)
	return nil, nil
}

// overHTTP asks the handler, as a service's owner would.
func overHTTP(_ context.Context, d time.Duration) (*profile.Profile, error) {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "/debug/fgprof?seconds="+strconv.Itoa(int(d.Seconds())), nil)
	fgprof.Handler().ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		return nil, fmt.Errorf("%d: %s", w.Code, w.Body)
	}
	return profile.Parse(bytes.NewReader(w.Body.Bytes()))
}

// service is n goroutines with labels, one in ten of which wakes every 20 ms, and one that computes.
func service(n int) (work *atomic.Int64, stop func()) {
	work = new(atomic.Int64)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			pprof.Do(ctx, pprof.Labels("worker", strconv.Itoa(i%16)), func(ctx context.Context) {
				for i%10 == 0 && ctx.Err() == nil {
					time.Sleep(20 * time.Millisecond)
				}
				<-ctx.Done()
			})
		})
	}
	wg.Go(func() {
		for ctx.Err() == nil {
			for x := range 10000 {
				sink += x
			}
			work.Add(1)
		}
	})
	return work, func() { cancel(); wg.Wait() }
}

var sink int

// used is the CPU time of this process and its children that have ended.
func used() time.Duration {
	var sum time.Duration
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var ru syscall.Rusage
		syscall.Getrusage(who, &ru)
		sum += time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
	}
	return sum
}

// stopped is the time of all stops of the world so far, in seconds, by the middle of their buckets.
func stopped() (sum float64) {
	s := []metrics.Sample{{Name: "/sched/pauses/total/gc:seconds"}, {Name: "/sched/pauses/total/other:seconds"}}
	metrics.Read(s)
	for _, m := range s {
		h := m.Value.Float64Histogram()
		for i, n := range h.Counts {
			if n > 0 && i > 0 && i+1 < len(h.Buckets)-1 {
				sum += float64(n) * (h.Buckets[i] + h.Buckets[i+1]) / 2
			}
		}
	}
	return sum
}

func beside(b *testing.B, n int, run func(context.Context, time.Duration) (*profile.Profile, error)) {
	work, stop := service(n)
	defer stop()
	time.Sleep(300 * time.Millisecond)
	var cpu, stw, hz, done, windows float64
	for b.Loop() {
		runtime.GC()
		begin, c, s, w := time.Now(), used(), stopped(), work.Load()
		p, err := run(b.Context(), window)
		if err != nil {
			b.Fatal(err)
		}
		d := time.Since(begin).Seconds()
		cpu += 100 * (used() - c).Seconds() / d
		stw += 1000 * (stopped() - s) / d
		done += float64(work.Load()-w) / d
		hz += rate(p)
		windows++
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(cpu/windows, "cpu%")
	b.ReportMetric(stw/windows, "stw-ms/s")
	b.ReportMetric(hz/windows, "hz")
	b.ReportMetric(done/windows, "work/s")
}

// rate is the scans a second that a profile tells of.
func rate(p *profile.Profile) float64 {
	if p == nil {
		return 0
	}
	for _, c := range p.Comments {
		if key, v := sample.Comment(c); key == sample.CommentTableRate {
			f, _ := strconv.ParseFloat(v, 64)
			return f
		}
	}
	return 1e9 / float64(p.Period)
}
