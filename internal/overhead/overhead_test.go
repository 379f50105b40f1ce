package overhead

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
)

// host is a process that uses half a CPU, and does 100 pieces of work in a second of that. A recording makes it use more, by mode,
// and costs 3 % of a core.
type host struct {
	now      Reading
	more     map[string]float64
	on       string
	noise    func(n int) float64 // of the n-th window
	windows  int
	log      string
	attached int
	broken   error              // of Attach
	after    func(n int) error  // of the n-th reading
	cancel   context.CancelFunc // at the n-th wait
	at       int
	readings int
}

func (h *host) Read() (Reading, error) {
	h.readings++
	if h.after != nil {
		return h.now, h.after(h.readings)
	}
	return h.now, nil
}

func (h *host) Wait(_ context.Context, d time.Duration) {
	if h.windows++; h.cancel != nil && h.windows == h.at {
		h.cancel()
	}
	rate := 0.5 * (1 + h.more[h.on])
	if h.noise != nil {
		rate *= h.noise(h.windows)
	}
	h.now.At += d
	h.now.CPU += time.Duration(rate * float64(d))
	h.now.Work += 50 * d.Seconds()
	if h.on != "" {
		h.now.Own += time.Duration(0.03 * float64(d))
	}
	if d != settle {
		h.log += fmt.Sprintf("%s%d ", h.on, d/time.Second)
	}
}

func (h *host) Attach(_ context.Context, mode string) (func() error, error) {
	if h.broken != nil && mode == "bad" {
		return nil, h.broken
	}
	h.on = mode
	h.attached++
	return func() error { h.on = ""; h.attached--; return nil }, nil
}

// measure takes so many windows, the settling ones included: four a block.
func measure(t *testing.T, h *host, windows int, modes ...string) (*Result, error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	h.cancel, h.at = cancel, windows
	r, err := Measure(ctx, h, modes, time.Second)
	if h.attached != 0 {
		t.Errorf("%d recordings go on", h.attached)
	}
	return r, err
}

// Windows without, with, with and without follow each other, and what the process uses more is what comes out: for a piece of work
// and for a second.
func TestMeasure(t *testing.T) {
	for _, counted := range []bool{true, false} {
		h := &host{more: map[string]float64{"cpu": 0.02, "wall": 0.1}}
		if !counted {
			h.after = func(int) error { h.now.Work = 0; return nil }
		}
		r, err := measure(t, h, 8*6+1, "cpu", "wall")
		if err != nil {
			t.Fatal(err)
		}
		if want := "1 cpu2 1 1 wall2 1 "; !strings.HasPrefix(h.log, want) {
			t.Errorf("windows: %s", h.log)
		}
		for i, want := range []float64{0.02, 0.1} {
			m := r.Modes[i]
			if m.Blocks != 6 || math.Abs(m.CPU.More-want) > 1e-6 || m.CPU.Unknown != "" || math.Abs(m.Own-0.03) > 1e-9 {
				t.Errorf("%+v, CPU %+v, want %v", m, m.CPU, want)
			}
			if (m.Work != nil) != counted || counted && math.Abs(m.Work.More) > 1e-6 {
				t.Errorf("%s: work %+v", m.Mode, m.Work)
			}
		}
		if math.Abs(r.CPUs-0.5) > 1e-6 {
			t.Errorf("%v CPUs", r.CPUs)
		}
	}
}

// What drifts in a line is the same on both sides: no cost comes of it.
func TestMeasureDrift(t *testing.T) {
	h := &host{noise: func(n int) float64 { return 1 + 0.002*float64((n-1)/4*4)/4 }}
	r, err := measure(t, h, 4*8+1, "cpu")
	if err != nil {
		t.Fatal(err)
	}
	if e := r.Modes[0].CPU; math.Abs(e.More) > 1e-3 {
		t.Errorf("%+v", e)
	}
}

// An interval that is too wide, too few blocks, and a process that has all CPUs that it can use say nothing.
func TestMeasureUnknown(t *testing.T) {
	wild := func(n int) float64 { return 0.6 + 0.3*float64(n*7%5) }
	for want, c := range map[string]struct {
		h       host
		windows int
	}{
		"the windows differ too much":   {host{noise: wild}, 4*8 + 1},
		"4 of 5 blocks that it takes":   {host{}, 4*4 + 1},
		"it has no more CPUs to use":    {host{noise: func(int) float64 { return 4.02 }}, 4*6 + 1},
		"the process did nothing for a": {host{noise: func(int) float64 { return 0 }}, 4*6 + 1},
	} {
		c.h.after = func(int) error { c.h.now.Work = 0; return nil }
		r, err := measure(t, &c.h, c.windows, "cpu")
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := writeText(&b, r); err != nil {
			t.Fatal(err)
		}
		if e := r.Modes[0].CPU; !strings.HasPrefix(e.Unknown, want) || !strings.HasPrefix(e.String(), "unknown") {
			t.Errorf("%q: %+v", want, e)
		}
		if !strings.Contains(b.String(), "cpu, CPU time: unknown: "+want) {
			t.Errorf("%q: %s", want, &b)
		}
	}
}

// A cost of half as much again is known where windows differ by a quarter: its interval is wide, and far from nothing.
func TestMeasureMuch(t *testing.T) {
	h := &host{more: map[string]float64{"exact": 0.5}, noise: func(n int) float64 { return 0.9 + 0.05*float64(n*7%5) }}
	r, err := measure(t, h, 4*8+1, "exact")
	if err != nil {
		t.Fatal(err)
	}
	if e := r.Modes[0].CPU; e.Unknown != "" || e.Low < 0.2 || e.High > 0.8 || e.High-e.Low < 2*wide {
		t.Errorf("%+v", e)
	}
}

// A mode that does not work leaves the others; a block that is cut short is left out; what there was before the process ended is told.
func TestMeasureEnds(t *testing.T) {
	bad := errors.New("no such thing here")
	r, err := measure(t, &host{broken: bad}, 5*6+1, "bad", "cpu")
	if err != nil || r.Modes[0].Blocks != 0 || r.Modes[0].Error != "bad: no such thing here" || r.Modes[1].Blocks < 5 {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err = measure(t, &host{broken: bad}, 100, "bad"); !errors.Is(err, bad) {
		t.Error(err)
	}
	if r, err = measure(t, &host{}, 4+3, "cpu"); err != nil || r.Blocks() != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err = measure(t, &host{}, 3, "cpu"); !errors.Is(err, ErrNone) {
		t.Error(err)
	}
	over := errors.New("the process has ended")
	ends := func(n int) error {
		if n == 15 {
			return over
		}
		return nil
	}
	if r, err = measure(t, &host{after: ends}, 100, "cpu"); err != nil || r.Blocks() != 2 || len(r.Notes) != 1 {
		t.Errorf("%+v, %v", r, err)
	}
}
