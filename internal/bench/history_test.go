package bench

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/cost"
)

// history has so many results that differ by 3 %, of which one of ten was of a busy host. From line step on an operation takes more.
func history(rng *rand.Rand, n, step int, more float64) (lines []Line) {
	for i := range n {
		ns := 100 * math.Exp(0.03*rng.NormFloat64())
		if rng.IntN(10) == 0 {
			ns *= 1 + 0.3*rng.Float64()
		}
		if i >= step {
			ns *= 1 + more
		}
		lines = append(lines, Line{NewCommit: fmt.Sprint("c", i), CPUModel: "x", Benchmarks: map[string][2]float64{"BenchmarkX": {100, ns}}})
	}
	return lines
}

// A step is found where it is, and a history without one has none more often than was agreed.
func TestShifts(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	const rounds = 400
	wrong, found, near := 0, 0, 0
	for range rounds {
		if len(Shifts(history(rng, 24, 24, 0), 0.05, 0.02)) > 0 {
			wrong++
		}
		step := 6 + rng.IntN(13)
		for _, s := range Shifts(history(rng, 24, step, 0.1), 0.05, 0.02) {
			at := 0
			fmt.Sscanf(s.Commit, "c%d", &at)
			if s.Relative > 0.05 && s.Relative < 0.15 && s.Last == fmt.Sprint("c", at-1) && s.Before == at && s.Since == 24-at {
				found++
				if at-step <= 1 && step-at <= 1 {
					near++
				}
			}
		}
	}
	t.Logf("of %d: %d without a step have one; a step of 10 %% is found in %d, in %d within one result of where it is",
		rounds, wrong, found, near)
	if wrong > rounds*8/100 || found < rounds*90/100 || near < found*75/100 {
		t.Error("too many, or too few")
	}
}

// Two steps are two, and what came of another CPU is none.
func TestShiftsOfParts(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	lines := history(rng, 20, 10, 0.5)
	lines = append(lines, history(rng, 10, 0, 2)...)
	if got := Shifts(lines, 0.05, 0.02); len(got) != 2 || got[0].Commit != "c10" || got[1].Commit != "c0" || got[1].Last != "c19" {
		t.Errorf("%+v", got)
	}
	for i := range lines[:10] {
		lines[i].CPUModel = "y"
	}
	if got := Shifts(lines, 0.05, 0.02); len(got) != 1 || got[0].Before != 10 {
		t.Errorf("%+v", got)
	}
	if got := Shifts(lines[:7], 0.05, 0.02); got != nil {
		t.Errorf("of seven: %+v", got)
	}
}

// A history of many benchmarks without a step takes no more than a glance at each: shuffling all of them to the end would be half
// an hour.
func TestShiftsOfMany(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	lines := history(rng, mostLines, mostLines, 0)
	for _, l := range lines {
		for i := range 2000 {
			l.Benchmarks[fmt.Sprint("Benchmark", i)] = [2]float64{100, 100 * math.Exp(0.3*rng.NormFloat64())}
		}
	}
	cost.Limit{Bytes: 4 << 30, Time: 60 * time.Second}.Hold(t, func() {
		if got := Shifts(lines, 0.05, 0.001); len(got) > 0 {
			t.Errorf("%d benchmarks have a step", len(got))
		}
	})
}

func TestReadHistory(t *testing.T) {
	var text strings.Builder
	for _, l := range history(rand.New(rand.NewPCG(1, 1)), 1234, 0, 0) {
		json.NewEncoder(&text).Encode(l)
	}
	lines, err := ReadHistory(strings.NewReader(text.String()))
	if err != nil || len(lines) != mostLines || lines[mostLines-1].NewCommit != "c1233" {
		t.Errorf("%v, %d lines", err, len(lines))
	}
	for text, want := range map[string]string{"{}\nx": "line 2", strings.Repeat("x", longestLine+1): "line 1"} {
		if _, err := ReadHistory(strings.NewReader(text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
