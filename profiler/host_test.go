package profiler

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/target"
)

// The default budget shrinks while the CPUs are busy, where there are few, and one that somebody gave does not.
func TestBudgetOfBusyHost(t *testing.T) {
	begin := time.Unix(0, 0).Add(time.Hour)
	for _, tt := range []struct {
		name  string
		share float64
		cpus  int
		idle  float64 // of a CPU's time
		err   error
		want  float64 // of a core
	}{
		{"busy", 0, 2, 0.2, nil, 0.05},
		{"not busy", 0, 2, 0.3, nil, 0.1},
		{"one CPU", 0, 1, 0, nil, 0.025},
		{"ten CPUs", 0, 10, 0, nil, 0.1},
		{"many CPUs", 0, 64, 0, nil, 0.64},
		{"many CPUs, not busy", 0, 64, 0.3, nil, 0.64},
		{"as much as was asked", 0.1, 2, 0, nil, 0.1},
		{"nobody knows", 0, 2, 0, errors.New("no /proc"), 0.1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := NewBudget(tt.share)
			now, reads := begin, 0
			if b.host != nil {
				b.most = budgetOf(tt.cpus)
				b.host = newHost(make([]int, tt.cpus), func(cpus []int) (time.Duration, error) {
					reads++
					return time.Duration(tt.idle * float64(len(cpus)) * float64(now.Sub(begin))), tt.err
				})
			}
			if got := b.now(now); got != b.most {
				t.Errorf("%g at first", got)
			}
			for range 8 {
				now = now.Add(shareEvery)
				b.now(now)
			}
			if got := b.now(now); got != tt.want {
				t.Errorf("%g, want %g", got, tt.want)
			}
			if tt.err == nil && reads > 3 {
				t.Errorf("%d reads in two seconds", reads)
			}
		})
	}
}

// Timelines are asked for causes: they keep the default, and so does who says how much it may be.
func TestBudgetByDefault(t *testing.T) {
	for _, tt := range []struct {
		o    Options
		busy bool // a smaller one then
	}{
		{Options{Alone: true}, true},
		{Options{Alone: true, Keep: Keep{Timeline: true}}, false},
		{Options{Alone: true, MaxOverhead: 0.1}, false},
	} {
		r, err := openTarget(os.Getpid(), tt.o)
		target.Need(t, err)
		if b := r.options.Budget; b.most != max(tt.o.MaxOverhead, DefaultBudget()) || (b.host != nil) != tt.busy {
			t.Errorf("%+v: %g, less while the CPUs are busy: %v", tt.o, b.most, b.host != nil)
		}
		r.leave()
	}
}
