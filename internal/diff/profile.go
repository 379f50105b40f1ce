package diff

import (
	"fmt"
	"slices"
	"strings"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/work"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// Profile is one profile added up by rows. It holds nothing of the pprof profile that it was made
// of: of two profiles of half a million samples only the sums have to be in memory together.
type Profile struct {
	Name    string // of the file
	Seconds float64
	Columns []string // sample types that are times, else all; in the profile's order

	types    []string // all sample types, for messages
	plain    []string // columns that are no times
	facts    facts
	rows     []string
	files    []string // by row, of a function, below its package; ""
	cols     []*sums  // by column
	requests float64
	samples  float64
	work     work.Work
	within   *within // nil unless it was asked for
	begun    int64   // Unix ns, 0: not known
}

// facts are what the comments of mayfly's profiles say, "" where they do not.
type facts struct {
	kernel, goVersion, buildID, build, main, engine string

	model, features, governor    string // of the host's CPU
	settings, procs, cpus, quota string // of the program and what it may use
}

// sums are the sums of one column.
type sums struct {
	total, count float64   // ns, samples
	flat, cum    []float64 // ns by row
	n            []float64 // samples by row; nil: the column counts none
	// blocks are the same by block of time, of a timeline: blocks[b].flat. nil without one.
	blocks []block
	groups []byGroup // the same by benchmark, of a profile that knows their work
}

type block struct {
	total, count float64
	flat, n      []float64
}

func readFacts(p *profile.Profile) (f facts) {
	known := map[string]*string{
		"kernel": &f.kernel, "go_version": &f.goVersion, "build_id": &f.buildID, "build": &f.build, "engine.cpu": &f.engine,
		"main_package": &f.main,
		"cpu_model":    &f.model, "cpu_features": &f.features, "cpu_governor": &f.governor,
		"settings": &f.settings, "gomaxprocs": &f.procs, "cpus": &f.cpus, "cpu_quota": &f.quota,
	}
	for _, c := range p.Comments {
		line, value := sample.Comment(Clean(c))
		if key, ours := strings.CutPrefix(line, sample.CommentPrefix); ours && known[key] != nil {
			*known[key] = value
		}
	}
	if f.buildID == "" && len(p.Mapping) > 0 {
		f.buildID = p.Mapping[0].BuildID
	}
	return f
}

// grow makes room for rows.
func (c *sums) grow(rows int, counts bool) {
	c.flat, c.cum = grown(c.flat, rows), grown(c.cum, rows)
	if counts || c.n != nil {
		c.n = grown(c.n, rows)
	}
}

func grown(s []float64, n int) []float64 {
	if len(s) < n {
		s = slices.Grow(s, n-len(s))[:n]
	}
	return s
}

// file is that of a row's function, below its package; "" is not known.
func (p *Profile) file(row int) string {
	if row < len(p.files) {
		return p.files[row]
	}
	return ""
}

// column returns the sums of a column, or nil.
func (p *Profile) column(name string) *sums {
	if i := slices.Index(p.Columns, name); i >= 0 {
		return p.cols[i]
	}
	return nil
}

// describe names the profile's sample types for a message.
func (p *Profile) describe() string {
	return fmt.Sprintf("%s has %s", p.Name, strings.Join(p.types, ", "))
}

// add adds to a group's sums; the group is made when it is needed.
func (c *sums) addGroup(group int, row int32, stack []int32, v float64) {
	for len(c.groups) <= group {
		c.groups = append(c.groups, byGroup{flat: make(map[int32]float64), cum: make(map[int32]float64)})
	}
	g := &c.groups[group]
	g.total += v
	g.flat[row] += v
	for _, up := range stack {
		g.cum[up] += v
	}
}

func (b *block) add(row int, v float64) {
	b.flat = grown(b.flat, row+1)
	b.flat[row] += v
	b.total += v
}

func (b *block) addCount(row int, n float64) {
	b.n = grown(b.n, row+1)
	b.n[row] += n
	b.count += n
}

// onCPU says whether a column is CPU time, whose rows are shares, and not waiting.
func onCPU(column string) bool { return column == sample.ColumnCPU }
