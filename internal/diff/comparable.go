package diff

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// columns are the columns of time that all profiles have, in the order of the first.
func (c *comparison) columns() (common []string) {
	for _, name := range c.sides[older][0].Columns {
		asked := len(c.o.Columns) == 0 || slices.Contains(c.o.Columns, name)
		if asked && c.all(func(p *Profile) bool { return p.column(name) != nil }) {
			common = append(common, name)
		}
	}
	return common
}

func (c *comparison) all(ok func(*Profile) bool) bool {
	for _, profiles := range c.sides {
		for _, p := range profiles {
			if !ok(p) {
				return false
			}
		}
	}
	return true
}

// incomparable says why a comparison would mean nothing.
func (c *comparison) incomparable(columns []string) (why []string) {
	if len(columns) == 0 {
		return []string{c.noColumn()}
	}
	for _, profiles := range c.sides {
		for _, p := range profiles {
			if !slices.ContainsFunc(p.cols, func(s *sums) bool { return s.total > 0 }) {
				why = append(why, p.Name+" has no samples")
			}
		}
	}
	if len(why) > 0 {
		return why
	}
	for _, f := range []struct {
		what string
		get  func(facts) string
		skip bool
	}{
		{"kernels, so hosts,", func(f facts) string { return f.kernel }, c.o.AnyHost},
		{"CPU engines", func(f facts) string { return f.engine }, false},
	} {
		if a, b := c.differ(f.get); a != "" && !f.skip {
			why = append(why, fmt.Sprintf("different %s: %s and %s", f.what, a, b))
		}
	}
	if c.o.By.frames() && c.overlap() < leastOverlap {
		why = append(why, "different programs: they have almost no function in common")
	}
	if c.o.Per != "" && !c.all(func(p *Profile) bool { return p.requests > 0 }) {
		why = append(why, fmt.Sprintf("no label %q in some profile: requests cannot be counted", c.o.Per))
	}
	return why
}

func (c *comparison) noColumn() string {
	a, b := c.sides[older][0], c.sides[newer][0]
	if len(c.o.Columns) > 0 {
		return fmt.Sprintf("no column %s on both sides: %s; %s", strings.Join(c.o.Columns, ", "), a.describe(), b.describe())
	}
	return fmt.Sprintf("no column of time in common: %s; %s", a.describe(), b.describe())
}

// differ returns two different values of a fact that profiles know, or "".
func (c *comparison) differ(get func(facts) string) (a, b string) {
	for _, profiles := range c.sides {
		for _, p := range profiles {
			switch v := get(p.facts); {
			case v == "" || v == a:
			case a == "":
				a = v
			default:
				return a, v
			}
		}
	}
	return "", ""
}

// leastOverlap is the overlap of two sides below which they are different programs: a program that
// changed keeps most of its functions, and two programs share the runtime's.
const leastOverlap = 0.05

// overlap is how much of the time both sides spend in functions of the same names, the runtime
// left out: the sum of the smaller shares.
func (c *comparison) overlap() float64 {
	var share [2]map[string]float64
	for s, profiles := range c.sides {
		share[s] = make(map[string]float64)
		total := 0.0
		for _, p := range profiles {
			for _, col := range p.cols {
				for i, v := range col.flat {
					if name := p.rows[i]; v > 0 && !ofGo(name) && !strings.HasPrefix(name, "[") && strings.Contains(name, ".") {
						name, _, _ = strings.Cut(name, " ")
						share[s][name] += v
						total += v
					}
				}
			}
		}
		for name := range share[s] {
			share[s][name] /= total
		}
		if total == 0 {
			return 1
		}
	}
	sum := 0.0
	for _, name := range sortedKeys(share[older]) {
		sum += math.Min(share[older][name], share[newer][name])
	}
	return sum
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
