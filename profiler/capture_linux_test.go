package profiler_test

import (
	"math"
	"strconv"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/target"
)

// kindTime is what the short goroutines of a kind spent under their labels.
type kindTime struct {
	n         int
	want, got float64 // ns
	cpu       float64 // ns of got that comes from samples on a CPU
	variance  float64 // of got, ns^2, that looks alone make
}

// add enters a goroutine that lived for so long. A scan that falls on it stands for the time between two; of a longer life only
// the ends are found to within that.
func (k *kindTime) add(life, period float64) {
	k.n++
	k.want += life
	k.variance += min(life*max(period-life, 0), period*period/4) + period*period/6
}

// limit is the share by which got may differ from want: what is promised, and four standard errors.
func (k *kindTime) limit(period float64) float64 {
	return 0.015 + 4*math.Sqrt(k.variance+k.cpu*period)/k.want
}

// The wall time of the labels of 600 goroutines a second, each of which labels itself, is the time for which they had them: what
// came before, when a goroutine waited for its first instruction, is not theirs, and no time on a CPU counts twice.
func TestLabelTotals(t *testing.T) {
	x := target.Start(t, target.Compile(t, "capture", target.Build{}))
	rec, w := recordWindow(t, x.PID, 5*time.Second)
	var truth struct {
		Labels [][2]string
		Tasks  [][5]int64 // goid, id, label, begin, end
	}
	x.Truth(&truth)
	kinds := map[string]*kindTime{"all": {}}
	sum := rec.Summary
	period := 1e9 / sum.Table.Rate
	inside := make(map[string][]*kindTime) // by the label id
	for _, x := range truth.Tasks {
		if x[3] < w.From || x[4] > w.To {
			continue
		}
		kind := truth.Labels[x[2]][0]
		if kinds[kind] == nil {
			kinds[kind] = &kindTime{}
		}
		both := []*kindTime{kinds[kind], kinds["all"]}
		inside[strconv.FormatInt(x[1], 10)] = both
		for _, k := range both {
			k.add(float64(x[4]-x[3]), period)
		}
	}
	for _, s := range rec.Profile.Sample {
		for _, id := range s.Label["id"] {
			for _, k := range inside[id] {
				k.got += float64(s.Value[4])
				k.cpu += float64(s.Value[1])
			}
		}
	}
	missed := float64(sum.Table.Missed) / (float64(w.To-w.From) / period)
	t.Logf("%.0f scans a second, %.1f %% missed", sum.Table.Rate, 100*missed)
	for kind, k := range kinds {
		off := k.got/k.want - 1
		t.Logf("%5d %-5s %+.2f %% of %.3f s, limit %.2f", k.n, kind, 100*off, k.want/1e9, 100*k.limit(period))
		if missed < 0.02 && math.Abs(off) > k.limit(period) { // for how long the machine stood still is not known
			t.Errorf("%s: %+.2f %% of %.3f s, limit %.2f", kind, 100*off, k.want/1e9, 100*k.limit(period))
		}
	}
}
