package diff

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// A function that got another name would be one that is gone and a new one, and the new one a regression. So two functions of one
// file, of which each side has one, are taken for the same if they have the same share of the samples, by themselves and with
// all that they call, within a factor of two of both together. A wrong pair takes nothing away but what was won by the one and
// lost by the other: they are tested as one row.

// alike is the distance up to which functions are taken for the same.
const alike = math.Ln2

// mostLone bounds the functions of a side that are looked at, the heaviest: each is held against each of the other side.
const mostLone = 1000

// lone is a function that one side only has.
type lone struct {
	row       int
	file      string
	flat, cum float64 // samples, of as many as the smaller side has
}

// pairing is two of them, and how unlike they are.
type pairing struct {
	was, is  lone
	distance float64
}

// rename gives functions that were renamed one row.
func (c *comparison) rename() {
	if !c.o.By.frames() || c.o.By.Line || !c.all(func(p *Profile) bool { return p.column(sample.ColumnCPU) != nil }) {
		return
	}
	was, is := c.lone(older), c.lone(newer)
	var all []pairing
	for _, a := range was {
		for _, b := range is {
			if a.file != b.file {
				continue
			}
			if d := a.distance(b); d < alike {
				all = append(all, pairing{a, b, d})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b pairing) int { return cmp.Compare(a.distance, b.distance) })
	into := make(map[int]int) // old row to new row
	taken := make(map[int]bool)
	for _, x := range all {
		if _, ok := into[x.was.row]; !ok && !taken[x.is.row] {
			into[x.was.row], taken[x.is.row] = x.is.row, true
		}
	}
	for _, rows := range c.rows[older] {
		for i, row := range rows {
			if to, ok := into[row]; ok {
				rows[i] = to
			}
		}
	}
	c.tellRenamed(into)
}

// tellRenamed says which they are.
func (c *comparison) tellRenamed(into map[int]int) {
	var pairs []string
	for _, row := range slices.Sorted(maps.Keys(into)) {
		was, is := c.names[row], c.names[into[row]]
		pairs = append(pairs, fmt.Sprintf("%s is %s", was, strings.TrimPrefix(is, packageOf(is)+".")))
	}
	if len(pairs) > 0 {
		c.note("taken for renamed, by file and share of the samples: %s", strings.Join(pairs, ", "))
	}
}

// lone are the functions that only one side has, of those that it has enough samples of.
func (c *comparison) lone(s int) (all []lone) {
	rows := make([]lone, len(c.names))
	others := make([]bool, len(c.names))
	for i := range c.sides[1-s] {
		for _, row := range c.rows[1-s][i] {
			others[row] = true
		}
	}
	least := min(c.samples(older), c.samples(newer))
	for i, p := range c.sides[s] {
		col := p.column(sample.ColumnCPU)
		if col.total <= 0 {
			continue
		}
		part := least / float64(len(c.sides[s])) / col.total
		for at, row := range c.rows[s][i] {
			file := p.file(at)
			if others[row] || file == "" {
				continue
			}
			r := &rows[row]
			r.row, r.file = row, file
			r.flat, r.cum = r.flat+col.flat[at]*part, r.cum+col.cum[at]*part
		}
	}
	rows = slices.DeleteFunc(rows, func(r lone) bool { return r.file == "" || r.cum < c.o.MinSamples })
	slices.SortStableFunc(rows, func(a, b lone) int { return cmp.Compare(b.cum, a.cum) })
	return rows[:min(len(rows), mostLone)]
}

// samples is how many CPU samples a side has.
func (c *comparison) samples(s int) (n float64) {
	for _, p := range c.sides[s] {
		n += p.column(sample.ColumnCPU).count
	}
	return n
}

// chance is how many samples are not to matter.
const chance = 10

func (l lone) distance(o lone) float64 {
	return math.Abs(math.Log((l.flat+chance)/(o.flat+chance))) + math.Abs(math.Log((l.cum+chance)/(o.cum+chance)))
}
