package profiler

import (
	"math"
	"testing"
	"time"
)

func TestNextRate(t *testing.T) {
	for _, tt := range []struct {
		now, asked int
		spent      float64
		want       int
	}{
		{999, 999, 0.5, 999}, {999, 999, 0.8, 499}, {499, 999, 0.5, 499}, {499, 999, 0.2, 998}, {998, 999, 0.2, 999},
		{60, 999, 3, 49}, {49, 999, 3, 49}, {20, 20, 3, 20},
	} {
		if got := nextRate(tt.now, tt.asked, tt.spent); got != tt.want {
			t.Errorf("%d of %d, %.1f of the budget spent: %d, want %d", tt.now, tt.asked, tt.spent, got, tt.want)
		}
	}
}

func TestLeft(t *testing.T) {
	for _, tt := range []struct{ budget, others, want float64 }{
		{0.1, 0, 0.1}, {0.1, 0.04, 0.06}, {0.1, 0.075, 0.025}, {0.1, 0.3, 0.025}, {1, 0.1, 0.9},
	} {
		if got := left(tt.budget, tt.others); math.Abs(got-tt.want) > 1e-9 {
			t.Errorf("others use %g of %g: %g is left, want %g", tt.others, tt.budget, got, tt.want)
		}
	}
}

// What a process does besides looking at the table is all that the table did not do.
func TestMeter(t *testing.T) {
	m := meter{&recording{}, (&recording{}).spending()}
	m.last.at = m.last.at.Add(-time.Second)
	m.last.cpu -= 500 * time.Millisecond   // used in that second,
	m.last.table -= 200 * time.Millisecond // and the table's part of it
	if got := m.others(); got < 0.3/1.5 || got > 0.5 {
		t.Errorf("%g cores besides the table, want 0.3 and what this test used", got)
	}
	if m.last.table != 0 || m.last.cpu <= 0 {
		t.Errorf("the next second is counted from %+v", m.last)
	}
}

// costly is an on-CPU source whose program has run for some time.
type costly struct {
	cpuSource
	cost time.Duration
}

func (c costly) Cost() time.Duration { return c.cost }

// What eBPF programs take is spent, though no process of ours has it.
func TestProgramsAreSpent(t *testing.T) {
	r := &recording{source: costly{cost: time.Hour}}
	if got := r.spending().cpu; got < time.Hour || got > time.Hour+time.Minute {
		t.Errorf("spent %v", got)
	}
	m := meter{r, r.spending()}
	r.source = costly{cost: time.Hour + time.Minute}
	time.Sleep(time.Millisecond)
	if got := m.others(); got < 1 {
		t.Errorf("%.3f cores", got)
	}
}
