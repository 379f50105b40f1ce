package onoff

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
)

// resamples is how often the bootstrap draws anew.
const resamples = 1000

// Arm is what a target did in slices of time of one kind.
type Arm struct {
	Work, Wall, CPU float64 // pieces of work, seconds, seconds of CPU time
	Samples         float64
}

func (a *Arm) add(b Arm) {
	a.Work += b.Work
	a.Wall += b.Wall
	a.CPU += b.CPU
	a.Samples += b.Samples
}

// Block is many slices with and as many without a profiler, next to each other.
type Block struct{ Off, On Arm }

// perWall and perCPU are the work done per second with the profiler, as a share of that without.
func (b Block) perWall() float64 { return (b.On.Work / b.On.Wall) / (b.Off.Work / b.Off.Wall) }
func (b Block) perCPU() float64  { return (b.On.Work / b.On.CPU) / (b.Off.Work / b.Off.CPU) }

// Spread is a median, the quartiles, and the median's standard error by the bootstrap.
type Spread struct{ Median, Q1, Q3, Err float64 }

func spreadOf(x []float64) Spread {
	x = slices.Sorted(slices.Values(x))
	s := Spread{quantile(x, 0.5), quantile(x, 0.25), quantile(x, 0.75), 0}
	rnd := rand.New(rand.NewPCG(1, 2)) // the same numbers give the same error
	var squares float64
	draw := make([]float64, len(x))
	for range resamples {
		for i := range draw {
			draw[i] = x[rnd.IntN(len(x))]
		}
		slices.Sort(draw)
		off := quantile(draw, 0.5) - s.Median
		squares += off * off
	}
	s.Err = math.Sqrt(squares / resamples)
	return s
}

// quantile interpolates between the two nearest of the sorted values.
func quantile(sorted []float64, p float64) float64 {
	at := p * float64(len(sorted)-1)
	i := int(at)
	j := min(i+1, len(sorted)-1)
	return sorted[i] + (sorted[j]-sorted[i])*(at-float64(i))
}

// Row is one line of the table: all blocks of one variant.
type Row struct {
	Name      string
	Blocks    int
	Wall, CPU Spread  // work done with the profiler, as a share of that without
	Rate      float64 // samples per second of the target's CPU time
	Lost      uint64  // samples that the profiler had no room for
}

// RowOf puts the blocks of a variant together.
func RowOf(name string, blocks []Block, lost uint64) Row {
	var wall, cpu []float64
	var on Arm
	for _, b := range blocks {
		wall, cpu = append(wall, b.perWall()), append(cpu, b.perCPU())
		on.add(b.On)
	}
	return Row{name, len(blocks), spreadOf(wall), spreadOf(cpu), on.Samples / on.CPU, lost}
}

// perSample is the work lost for one sample and its standard error, as CPU time in us; NaN
// without samples, or with so few that the number says nothing.
func (r *Row) perSample(s Spread) (lost, err float64) {
	if r.Rate < 10 {
		return math.NaN(), math.NaN()
	}
	return (1 - s.Median) / r.Rate * 1e6, s.Err / r.Rate * 1e6
}

// Table is the rows as text. The columns of CPU time are left out where it cannot be read.
func Table(title string, rows []Row, withCPU bool) string {
	lines := []string{"", title,
		line([]string{"", "blocks", "work per second", "samples/", "work lost per sample, us", "work per CPU-second", ""}, withCPU),
		line([]string{"", "", "median [q1 q3] +-se", "CPU-s", "per second", "median [q1 q3] +-se", "per CPU-second"}, withCPU)}
	for _, r := range rows {
		rate := "-"
		if r.Rate >= 1 {
			rate = fmt.Sprintf("%.0f", r.Rate)
		}
		text := line([]string{r.Name, fmt.Sprint(r.Blocks), r.Wall.String(), rate, r.cost(r.Wall), r.CPU.String(), r.cost(r.CPU)}, withCPU)
		if r.Lost > 0 {
			text += fmt.Sprintf("  %d samples lost", r.Lost)
		}
		lines = append(lines, text)
	}
	return strings.Join(lines, "\n") + "\n"
}

// line prints the cells of a Row; the last two are those of CPU time.
func line(cells []string, withCPU bool) string {
	s := fmt.Sprintf("%-12s %6s  %-32s %8s  %-24s", cells[0], cells[1], cells[2], cells[3], cells[4])
	if withCPU {
		s += fmt.Sprintf("  %-32s %s", cells[5], cells[6])
	}
	return strings.TrimRight(s, " ")
}

func (r *Row) cost(s Spread) string {
	us, err := r.perSample(s)
	if math.IsNaN(us) {
		return "-"
	}
	return fmt.Sprintf("%.0f +-%.0f", us, err)
}

func (s Spread) String() string {
	return fmt.Sprintf("%.3f [%.3f %.3f] +-%.3f", s.Median, s.Q1, s.Q3, s.Err)
}
