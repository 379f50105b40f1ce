package diff

import "cmp"

// within is the time of a profile's column below functions of interest.
type within struct {
	names []string
	index map[string]int
	rows  map[string]string // Options.Folded
	pairs map[pair]float64  // ns
	leaf  map[leaf]float64  // ns
}

// pair is the time below a function of which the next one of interest towards the leaf is another, -1 if there is none.
type pair struct{ group, of, below int }

// leaf is the time below a function that is a leaf's own.
type leaf struct {
	group    int // of a benchmark, 0 without
	of, name string
}

func newWithin(names []string, folded map[string]string) *within {
	w := &within{names: names, rows: folded, index: make(map[string]int), pairs: make(map[pair]float64), leaf: make(map[leaf]float64)}
	for i, n := range names {
		w.index[n] = i
	}
	return w
}

// add adds a stack, leaf first: of each function its number here, or -1.
func (w *within) add(group int, stack []int, leafName string, v float64) {
	below := -1
	for _, i := range stack {
		if i < 0 {
			continue
		}
		w.pairs[pair{group, i, below}] += v
		w.leaf[leaf{group, w.names[i], leafName}] += v
		below = i
	}
}

// row is the name of the row that a function is in.
func (w *within) row(name string) string { return cmp.Or(w.rows[name], name) }

// number is that of a function's row in names, -1 if it is not of interest.
func (w *within) number(name string) int {
	if i, ok := w.index[w.row(name)]; ok {
		return i
	}
	return -1
}
