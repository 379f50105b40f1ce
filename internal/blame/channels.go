package blame

import (
	"slices"

	"github.com/mayfly-profiler/mayfly/internal/timeline"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// channels know who waits at which end of them.
type channels struct {
	facts
	bySide map[side][]*timeline.Track // built when needed
}

// side is one end of a channel.
type side struct {
	addr uint64
	op   sample.Op
}

// sides are the goroutines that were seen to wait at each end of each channel.
func (c *channels) sides() map[side][]*timeline.Track {
	if c.bySide != nil {
		return c.bySide
	}
	c.bySide = make(map[side][]*timeline.Track)
	for _, g := range c.Tracks {
		for i := range g.Pieces {
			for _, o := range c.Objects[g.Pieces[i].On] {
				k := side{o.Addr, o.Op}
				if o.Kind == sample.Chan && o.Op != sample.NoOp && !slices.Contains(c.bySide[k][max(len(c.bySide[k])-1, 0):], g) {
					c.bySide[k] = append(c.bySide[k], g)
				}
			}
		}
	}
	return c.bySide
}

// partners are the goroutines that wait at the other end of a channel at other times.
func (c *channels) partners(o sample.Object) []*timeline.Track {
	op := sample.Send
	if o.Op == sample.Send {
		op = sample.Receive
	}
	return c.sides()[side{o.Addr, op}]
}
