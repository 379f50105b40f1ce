package diff

import (
	"fmt"
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
		{"on different kernels, so on different hosts", func(f facts) string { return f.kernel }, c.o.AnyHost},
		{"by different CPU engines", func(f facts) string { return f.engine }, false},
	} {
		if a, b := c.differ(f.get); a != "" && !f.skip {
			why = append(why, fmt.Sprintf("recorded %s: %s and %s", f.what, a, b))
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

// leastOverlap is the overlap of two sides below which they are different programs.
const leastOverlap = 0.05

// overlap is how many of their own functions, the standard library left out, the sides have in
// common, by the smaller number of them: a program that changed keeps most of its functions.
func (c *comparison) overlap() float64 {
	var own [2]map[string]bool
	for s, profiles := range c.sides {
		own[s] = make(map[string]bool)
		for _, p := range profiles {
			for _, name := range p.rows {
				if name, _, _ = strings.Cut(name, " "); ofProgram(name) {
					own[s][name] = true
				}
			}
		}
	}
	least := min(len(own[older]), len(own[newer]))
	if least < 3 {
		return 1 // too few to tell
	}
	common := 0
	for name := range own[older] {
		if own[newer][name] {
			common++
		}
	}
	return float64(common) / float64(least)
}

// ofProgram says whether a function is of the program or a module that it uses: their import paths
// begin with a host name, those of the standard library do not.
func ofProgram(name string) bool {
	first, _, _ := strings.Cut(packageOf(name), "/")
	return first == "main" || strings.Contains(first, ".") && first != packageOf(name)
}
