package diff

import "fmt"

// folding says which functions are one row, since they are not told apart on both sides.
type folding struct {
	releases bool            // the sides were built by different ones
	inlined  map[string]bool // closures that have another name on one side; inlinedElsewhere
}

// row is the name of the row that a function is in.
func (f folding) row(name string) string {
	if f.releases && moved(name) {
		return goRow
	}
	if in := innermost(name); f.inlined[in] {
		return in
	}
	return name
}

// index gives the rows of all profiles common numbers.
func (c *comparison) index() {
	index := make(map[string]int)
	fold := folding{c.o.By.frames() && c.releases(), c.inlinedElsewhere()}
	number := func(name string) int {
		row, ok := index[name]
		if !ok {
			row = len(c.names)
			index[name] = row
			c.names = append(c.names, name)
		}
		return row
	}
	for s, profiles := range c.sides {
		for _, p := range profiles {
			rows := make([]int, len(p.rows))
			for i, name := range p.rows {
				rows[i] = number(fold.row(name))
			}
			c.rows[s] = append(c.rows[s], rows)
		}
	}
	if fold.releases {
		which := fmt.Sprintf("different Go releases (%s, %s)", c.out.Base.GoVersion, c.out.New.GoVersion)
		if c.out.Base.GoVersion == "" || c.out.New.GoVersion == "" { // of a server, or another tool
			which = "a profile does not say its Go release, which may be another one"
		}
		c.note("%s: functions of the runtime, of internal packages and of those whose code moves there (sync, strconv, crypto) are one row",
			which)
	}
}

// foldedNames are the functions that are in a row of another name, by that.
func (c *comparison) foldedNames() map[string]string {
	folded := make(map[string]string)
	for s, profiles := range c.sides {
		for i, p := range profiles {
			for at, row := range c.rows[s][i] {
				if name := c.names[row]; name != p.rows[at] {
					folded[p.rows[at]] = name
				}
			}
		}
	}
	return folded
}

// releases says whether the profiles come from different Go releases.
func (c *comparison) releases() bool {
	first := c.out.Base.GoVersion
	for _, profiles := range c.sides {
		for _, p := range profiles {
			if p.facts.goVersion != first {
				return true
			}
		}
	}
	return false
}

// inlinedElsewhere are the closures that go by the function that they stand in alone, by that name: one side has one under a name
// that the other has not. All that have it are one row then: with other inlining some of them change their names, and not all.
func (c *comparison) inlinedElsewhere() map[string]bool {
	elsewhere := make(map[string]bool)
	if !c.o.By.frames() {
		return elsewhere
	}
	have := c.sideNames()
	for s := range have {
		for name := range have[s] {
			if !have[1-s][name] {
				elsewhere[innermost(name)] = true
			}
		}
	}
	return elsewhere
}

// sideNames are the names of the rows of each side.
func (c *comparison) sideNames() (have [2]map[string]bool) {
	for s, profiles := range c.sides {
		have[s] = make(map[string]bool)
		for _, p := range profiles {
			for _, name := range p.rows {
				have[s][name] = true
			}
		}
	}
	return have
}
