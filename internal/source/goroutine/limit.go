package goroutine

import "math"

// minLimit keeps a table that somebody limits to nothing alive.
const minLimit = 0.001

// Limit changes Options.MaxOverhead, also while Run is running.
func (t *Table) Limit(share float64) {
	t.limit.Store(math.Float64bits(min(max(share, minLimit), 1)))
}

func (t *Table) limited() float64 { return math.Float64frombits(t.limit.Load()) }
