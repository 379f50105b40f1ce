package onoff

import (
	"fmt"
	"io/fs"
	"os"
	"sync/atomic"
	"time"

	"github.com/google/pprof/profile"
	"golang.org/x/sys/unix"
)

// Words of the page, see onoff.go in testdata/run.
const (
	askedWord = 1 + iota
	doneWord
	rateWord
	profileWord
	wallWord
	samplesWord
)

// Own is a profiler that the target has itself.
type Own int

// The target's own profilers.
const (
	Pprof            Own = iota // runtime/pprof: its timers alone are switched, the profile stays open
	Fgprof                      // the target is built with the tag fgprof
	GoroutineProfile            // runtime.GoroutineProfile, and nothing done with what it returns
)

// own switches one of them.
type own struct {
	*Experiment
	what   Own
	rate   int
	before uint64
}

// Own attaches a profiler of the target's own. Fgprof has its own rate.
func (c *Experiment) Own(what Own, rate int) (Profiler, error) {
	p := &own{Experiment: c, what: what, rate: rate, before: atomic.LoadUint64(&c.page[samplesWord])}
	return p, p.Stop()
}

func (p *own) Start() error {
	if p.what == Pprof {
		return p.ask(p.rate, 1, 0)
	}
	return p.ask(p.rate, 0, uint64(p.what))
}

func (p *own) Stop() error {
	if p.what == Pprof {
		return p.ask(0, 1, 0)
	}
	return p.ask(0, 0, 0)
}

// Settle is a tick for runtime/pprof: Go's timers fire at ticks only.
func (p *own) Settle() time.Duration {
	if p.what == Pprof {
		return 4 * time.Millisecond
	}
	return 10 * time.Millisecond // a period
}

// Close says how many samples there were: of runtime/pprof the profile tells, of the others the target.
func (p *own) Close() (uint64, error) {
	if err := p.ask(0, 0, 0); err != nil {
		return 0, err
	}
	if p.what == Pprof {
		return countSamples(p.ctl + ".pprof")
	}
	return atomic.LoadUint64(&p.page[samplesWord]) - p.before, nil
}

// ask makes a request to the target and waits until it is carried out.
func (p *own) ask(rate int, open, wall uint64) error {
	atomic.StoreUint64(&p.page[rateWord], uint64(rate))
	atomic.StoreUint64(&p.page[profileWord], open)
	atomic.StoreUint64(&p.page[wallWord], wall)
	n := atomic.AddUint64(&p.page[askedWord], 1)
	if err := unix.Kill(p.Target.PID, unix.SIGUSR2); err != nil {
		return err
	}
	for wait := time.Now().Add(10 * time.Second); atomic.LoadUint64(&p.page[doneWord]) != n; Nap(200 * time.Microsecond) {
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
