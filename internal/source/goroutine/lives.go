package goroutine

import (
	"cmp"
	"time"
)

// lives counts goroutines by the time that they were seen to live, and what a profiler at 100 Hz
// would have seen of the same: it would have read it at every tick that is the first in its hundredth
// of a second.
type lives struct {
	stats   *Stats
	marks   [256]uint32 // the last ticks of the 100 Hz profiler, in a ring
	n       int
	nextDue int64
}

const decimal = int64(10 * time.Millisecond)

// mark notes whether the 100 Hz profiler has this tick too.
func (l *lives) mark(at int64, tick uint32) {
	if at < l.nextDue {
		return
	}
	l.marks[l.n%len(l.marks)] = tick
	l.n++
	l.nextDue = cmp.Or(l.nextDue, at)
	l.nextDue += decimal * (1 + (at-l.nextDue)/decimal)
}

func (l *lives) seen(fresh bool) {
	l.stats.Seen++
	if fresh {
		l.stats.New++
	}
}

// over counts a goroutine that ended, or that was alive when the recording did.
func (l *lives) over(sl *slot, life int64) {
	if !sl.fresh {
		return
	}
	sl.fresh = false
	b := &l.stats.Lives[bucket(time.Duration(life))]
	b.Seen++
	for i := l.n - 1; i >= max(l.n-len(l.marks), 0); i-- {
		tick := l.marks[i%len(l.marks)]
		if tick <= sl.tick {
			if tick >= sl.born {
				b.At100++
			}
			return
		}
	}
}
