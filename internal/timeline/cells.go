package timeline

// stolenCell is the length of time, ns, over which CPU time and states are compared.
const stolenCell = int64(20e6)

// cells is ns by time.
type cells map[int64]int64

// spread adds a stretch of time.
func (c cells) spread(from, to int64) {
	for from < to {
		end := min((from/stolenCell+1)*stolenCell, to)
		c[from/stolenCell] += end - from
		from = end
	}
}
