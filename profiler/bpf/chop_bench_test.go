package bpf

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// resamples is how often the bootstrap draws anew.
const resamples = 1000

// arm is what a target did in slices of time of one kind.
type arm struct {
	work, wall, cpu float64 // pieces of work, seconds, seconds of CPU time
	samples         float64
}

func (a *arm) add(b arm) {
	a.work += b.work
	a.wall += b.wall
	a.cpu += b.cpu
	a.samples += b.samples
}

// block is many slices with and as many without a profiler, next to each other.
type block struct{ off, on arm }

// perWall and perCPU are the work done per second with the profiler, as a share of that without.
func (b block) perWall() float64 { return (b.on.work / b.on.wall) / (b.off.work / b.off.wall) }
func (b block) perCPU() float64  { return (b.on.work / b.on.cpu) / (b.off.work / b.off.cpu) }

// spread is a median, the quartiles, and the median's standard error by the bootstrap.
type spread struct{ median, q1, q3, err float64 }

func spreadOf(x []float64) spread {
	x = slices.Sorted(slices.Values(x))
	s := spread{quantile(x, 0.5), quantile(x, 0.25), quantile(x, 0.75), 0}
	rnd := rand.New(rand.NewPCG(1, 2)) // the same numbers give the same error
	var squares float64
	draw := make([]float64, len(x))
	for range resamples {
		for i := range draw {
			draw[i] = x[rnd.IntN(len(x))]
		}
		slices.Sort(draw)
		off := quantile(draw, 0.5) - s.median
		squares += off * off
	}
	s.err = math.Sqrt(squares / resamples)
	return s
}

// quantile interpolates between the two nearest of the sorted values.
func quantile(sorted []float64, p float64) float64 {
	at := p * float64(len(sorted)-1)
	i := int(at)
	j := min(i+1, len(sorted)-1)
	return sorted[i] + (sorted[j]-sorted[i])*(at-float64(i))
}

// row is one line of the table: all blocks of one variant.
type row struct {
	name      string
	blocks    int
	wall, cpu spread
	rate      float64 // samples per second of the target's CPU time
	lost      uint64  // samples that the ring buffer had no room for
}

func rowOf(name string, blocks []block, lost uint64) row {
	var wall, cpu []float64
	var on arm
	for _, b := range blocks {
		wall, cpu = append(wall, b.perWall()), append(cpu, b.perCPU())
		on.add(b.on)
	}
	return row{name, len(blocks), spreadOf(wall), spreadOf(cpu), on.samples / on.cpu, lost}
}

// perSample is the work lost for one sample and its standard error, as CPU time in us; NaN
// without samples, or with so few that the number says nothing.
func (r *row) perSample(s spread) (lost, err float64) {
	if r.rate < 10 {
		return math.NaN(), math.NaN()
	}
	return (1 - s.median) / r.rate * 1e6, s.err / r.rate * 1e6
}

// table prints the rows. The columns of CPU time are left out where it cannot be read.
func table(title string, rows []row, withCPU bool) string {
	lines := []string{"", title,
		line([]string{"", "blocks", "work per second", "samples/", "work lost per sample, us", "work per CPU-second", ""}, withCPU),
		line([]string{"", "", "median [q1 q3] +-se", "CPU-s", "per second", "median [q1 q3] +-se", "per CPU-second"}, withCPU)}
	for _, r := range rows {
		rate := "-"
		if r.rate >= 1 {
			rate = fmt.Sprintf("%.0f", r.rate)
		}
		text := line([]string{r.name, fmt.Sprint(r.blocks), r.wall.String(), rate, r.cost(r.wall), r.cpu.String(), r.cost(r.cpu)}, withCPU)
		if r.lost > 0 {
			text += fmt.Sprintf("  %d samples lost", r.lost)
		}
		lines = append(lines, text)
	}
	return strings.Join(lines, "\n") + "\n"
}

// line prints the cells of a row; the last two are those of CPU time.
func line(cells []string, withCPU bool) string {
	s := fmt.Sprintf("%-12s %6s  %-32s %8s  %-24s", cells[0], cells[1], cells[2], cells[3], cells[4])
	if withCPU {
		s += fmt.Sprintf("  %-32s %s", cells[5], cells[6])
	}
	return strings.TrimRight(s, " ")
}

func (r *row) cost(s spread) string {
	us, err := r.perSample(s)
	if math.IsNaN(us) {
		return "-"
	}
	return fmt.Sprintf("%.0f +-%.0f", us, err)
}

func (s spread) String() string {
	return fmt.Sprintf("%.3f [%.3f %.3f] +-%.3f", s.median, s.q1, s.q3, s.err)
}

func TestQuantile(t *testing.T) {
	tests := []struct {
		sorted  []float64
		p, want float64
	}{
		{[]float64{7}, 0.25, 7},
		{[]float64{1, 2, 3, 4, 5}, 0.5, 3},
		{[]float64{1, 2, 3, 4}, 0.5, 2.5},
		{[]float64{0, 10}, 0.25, 2.5},
		{[]float64{0, 10}, 1, 10},
	}
	for _, tt := range tests {
		if got := quantile(tt.sorted, tt.p); got != tt.want {
			t.Errorf("quantile(%v, %v) = %v, want %v", tt.sorted, tt.p, got, tt.want)
		}
	}
}

// The bootstrap's error is what theory says of the median of normal values: 1.2533 sigma/sqrt(n).
func TestSpreadError(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	var mean float64
	const sets, n, sigma = 40, 101, 0.02
	for range sets {
		x := make([]float64, n)
		for i := range x {
			x[i] = 1 + sigma*rnd.NormFloat64()
		}
		mean += spreadOf(x).err / sets
	}
	if want := 1.2533 * sigma / math.Sqrt(n); math.Abs(mean/want-1) > 0.15 {
		t.Errorf("error of the median = %.5f, want %.5f", mean, want)
	}
	if s := spreadOf([]float64{2, 2, 2}); s != (spread{2, 2, 2, 0}) {
		t.Errorf("spread of equal values = %v", s)
	}
}

func TestRow(t *testing.T) {
	off := arm{work: 1000, wall: 1, cpu: 2}
	on := arm{work: 950, wall: 1, cpu: 1.9, samples: 1900}
	r := rowOf("full:999", []block{{off, on}, {off, on}}, 0)
	if math.Abs(r.wall.median-0.95) > 1e-9 || math.Abs(r.cpu.median-1) > 1e-9 || math.Abs(r.rate-1000) > 1e-9 {
		t.Errorf("row = %+v", r)
	}
	if us, _ := r.perSample(r.wall); math.Abs(us-50) > 1e-6 { // 5 % of a CPU-second by 1000 samples
		t.Errorf("%.3f us lost per sample, want 50", us)
	}
	if us, _ := (&row{rate: 1}).perSample(spread{}); !math.IsNaN(us) {
		t.Errorf("%v us lost per sample at 1 Hz, want none", us)
	}
}
