package timeline

// cell is the length of time, ns, over which CPU time and states are compared.
const cell = int64(20e6)

// cells is ns by time, in cells.
type cells map[int64]int64

// add is for time at a moment.
func (c cells) add(at, ns int64) { c[at/cell] += ns }

// spread adds a stretch of time.
func (c cells) spread(from, to int64) {
	for from < to {
		end := min((from/cell+1)*cell, to)
		c[from/cell] += end - from
		from = end
	}
}
