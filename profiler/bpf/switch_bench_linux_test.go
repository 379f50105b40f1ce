//go:build amd64 || arm64

package bpf

import (
	"fmt"
	"io/fs"
	"os"
	"sync/atomic"
	"time"

	"github.com/cilium/ebpf"
	"github.com/google/pprof/profile"
	"golang.org/x/sys/unix"
)

// profilerSwitch switches a profiler that is attached; it starts off.
type profilerSwitch interface {
	set(on bool) error
	settle() time.Duration
	close() (samples uint64, err error) // detaches, and says how many there were
}

func (c *chopper) attach(v variant) (profilerSwitch, error) {
	var err error
	switch v.kind {
	case "count", "full":
		s := &eventSwitch{prog: c.source.objects.Sample, count: c.taken}
		if v.kind == "count" {
			s = &eventSwitch{prog: c.source.objects.OnlyCount, count: c.fired}
		}
		s.before = s.count()
		s.events, err = openEvents(s.prog.FD(), Options{Rate: v.rate})
		return s, err
	case "pprof":
		s := &pprofSwitch{chopper: c, rate: v.rate}
		return s, s.ask(0, 1)
	}
	return nothing{}, nil
}

// fired and taken are the samples so far, of only_count and of sample.
func (c *chopper) fired() uint64 { return c.source.counter(oncpuCountersFIRED) }

func (c *chopper) taken() uint64 {
	time.Sleep(2 * drainEvery) // until the ring is empty
	return c.drained.Load() + c.source.counter(oncpuCountersLOST)
}

type nothing struct{}

func (nothing) set(bool) error         { return nil }
func (nothing) settle() time.Duration  { return settle }
func (nothing) close() (uint64, error) { return 0, nil }

// eventSwitch switches mayfly's events.
type eventSwitch struct {
	events
	prog   *ebpf.Program
	count  func() uint64
	before uint64
}

func (s *eventSwitch) set(on bool) error {
	if on {
		return s.start()
	}
	return s.stop()
}

func (s *eventSwitch) settle() time.Duration { return settle }

func (s *eventSwitch) close() (uint64, error) {
	s.events.close()
	return s.count() - s.before, nil
}

// Words of the page, see chop.go in testdata/run.
const (
	askedWord = 1 + iota
	doneWord
	rateWord
	profileWord
)

// pprofSwitch switches the timers of runtime/pprof. How many signals there were, the profile tells.
type pprofSwitch struct {
	*chopper
	rate int
}

func (s *pprofSwitch) set(on bool) error {
	if on {
		return s.ask(s.rate, 1)
	}
	return s.ask(0, 1)
}

func (s *pprofSwitch) settle() time.Duration { return settlePprof }

func (s *pprofSwitch) close() (uint64, error) {
	if err := s.ask(0, 0); err != nil {
		return 0, err
	}
	return countSamples(s.ctl + ".pprof")
}

// ask makes a request to the target and waits until it is carried out.
func (s *pprofSwitch) ask(rate int, open uint64) error {
	atomic.StoreUint64(&s.page[rateWord], uint64(rate))
	atomic.StoreUint64(&s.page[profileWord], open)
	n := atomic.AddUint64(&s.page[askedWord], 1)
	if err := unix.Kill(s.target.PID, unix.SIGUSR2); err != nil {
		return err
	}
	for wait := time.Now().Add(10 * time.Second); atomic.LoadUint64(&s.page[doneWord]) != n; nap(200 * time.Microsecond) {
		if time.Now().After(wait) {
			return fmt.Errorf("the target does not switch its profiler: %w", fs.ErrInvalid)
		}
	}
	return nil
}

func countSamples(file string) (n uint64, err error) {
	f, err := os.Open(file)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	p, err := profile.Parse(f)
	if err != nil {
		return 0, err
	}
	for _, s := range p.Sample {
		n += uint64(s.Value[0])
	}
	return n, nil
}
