package blame

import (
	"math/bits"
	"slices"

	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

// mostBits is how finely the window is cut to count what is at the same time as what: to the ms in
// recordings of minutes.
const mostBits = 200_000

// set is a set of moments of the window.
type set []uint64

// grain is the length of a moment.
func (t facts) grain() int64 { return max(1e6, (t.To-t.From)/mostBits) }

func (t facts) newSet() set { return make(set, (t.To-t.From)/t.grain()/64+2) }

// fill adds the moments of a stretch of time to a set.
func (t facts) fill(s set, from, to int64) {
	grain := t.grain()
	from, to = (from-t.From)/grain, (to-t.From)/grain
	i, end := max(from, 0), min(max(to, from+1), int64(len(s))*64)
	for ; i < end && i%64 != 0; i++ {
		s[i/64] |= 1 << (i % 64)
	}
	for ; i+64 <= end; i += 64 {
		s[i/64] = ^uint64(0)
	}
	for ; i < end; i++ {
		s[i/64] |= 1 << (i % 64)
	}
}

func (t facts) cells(spans []timeline.Span) set {
	c := t.newSet()
	for _, s := range spans {
		t.fill(c, s.From, s.To)
	}
	return c
}

func (s set) count() (n int) {
	for _, w := range s {
		n += bits.OnesCount64(w)
	}
	return n
}

func (s set) common(o set) (n int) {
	for i, w := range s {
		n += bits.OnesCount64(w & o[i])
	}
	return n
}

// concurrency is how many hold a resource while others wait for it, as often as not, and in which share of
// that time they are as many.
func (t facts) concurrency(queue set, spans []timeline.Span) (n int, share float64) {
	grain := t.grain()
	change := make([]int32, len(queue)*64+1)
	for _, s := range spans {
		from, to := (s.From-t.From+grain/2)/grain, (s.To-t.From+grain/2)/grain
		from, to = min(max(from, 0), int64(len(change)-1)), min(max(to, 0), int64(len(change)-1))
		change[from]++
		change[to]--
	}
	seen := map[int32]int{}
	now, all := int32(0), 0
	for i := range len(queue) * 64 {
		if now += change[i]; queue[i/64]>>(i%64)&1 == 1 {
			seen[now]++
			all++
		}
	}
	best := int32(0)
	for k, times := range seen {
		if k > 0 && (times > seen[best] || best == 0 || times == seen[best] && k < best) {
			best = k
		}
	}
	return int(best), float64(seen[best]) / float64(max(all, 1))
}

func median(spans []timeline.Span) int64 {
	lengths := make([]int64, len(spans))
	for i, s := range spans {
		lengths[i] = s.To - s.From
	}
	if len(lengths) == 0 {
		return 0
	}
	slices.Sort(lengths)
	return lengths[(len(lengths)-1)/2]
}
