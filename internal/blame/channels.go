package blame

import (
	"slices"

	"github.com/mayfly-profiler/mayfly/internal/timeline"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// side is one end of a channel.
type side struct {
	addr uint64
	op   sample.Op
}

// sides are the goroutines that were seen to wait at each end of each channel.
func (b *Blamer) sides() map[side][]*timeline.Track {
	if b.ends != nil {
		return b.ends
	}
	b.ends = make(map[side][]*timeline.Track)
	for _, g := range b.Tracks {
		for i := range g.Pieces {
			for _, o := range b.Objects[g.Pieces[i].On] {
				k := side{o.Addr, o.Op}
				if o.Kind == sample.Chan && o.Op != sample.NoOp && !slices.Contains(b.ends[k][max(len(b.ends[k])-1, 0):], g) {
					b.ends[k] = append(b.ends[k], g)
				}
			}
		}
	}
	return b.ends
}

// partners are the goroutines that wait at the other end of a channel at other times.
func (b *Blamer) partners(o sample.Object) []*timeline.Track {
	op := sample.Send
	if o.Op == sample.Send {
		op = sample.Receive
	}
	return b.sides()[side{o.Addr, op}]
}
