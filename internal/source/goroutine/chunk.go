package goroutine

// A chunk is the slots of a few neighbouring pieces of memory that are read by one system call. It
// is small, so that little time passes between reading a g and reading its stack.
type chunk struct {
	slots     []slot
	folded    []uint16 // offsets in the chunk's image of g's without a slot; see fold.go
	unwatched uint16   // goroutines among them
	windows   [chunkWindows]window
	n         int  // windows in use
	known     bool // it was read
	image     int  // where the memory's image has it
	asleep    bool // nothing of the target has run since it was read

	due    uint32 // the tick at which it is to be read next
	period uint32 // ticks between two readings
	hot    int64  // until then it is read at every tick: goroutines were born or died here
	flush  int64  // when its intervals are to be emitted next
}

const (
	windowBits   = 14 // 16 KiB hold two spans of g structs
	windowSize   = 1 << windowBits
	chunkWindows = 2
)

// window is an aligned piece of the heap; [lo, hi) of it holds all its slots.
type window struct {
	lo, hi uint64
	read   int64  // when it was last read,
	tick   uint32 // and in which tick
	ok     bool   // it could be, in this one
}

// window is the number of a slot's window in its chunk.
func (sl *slot) window(stride int32) int {
	if sl.off < stride {
		return 0
	}
	return 1
}

// sleeps enters that what was read of a chunk is what there is at a moment.
func (c *chunk) sleeps(at int64, tick uint32) {
	for i := range c.n {
		if w := &c.windows[i]; w.ok {
			w.read, w.tick = at, tick
		}
	}
}

// living calls f for every slot with a goroutine in it.
func living(chunks []*chunk, f func(*chunk, *slot)) {
	for _, c := range chunks {
		for i := range c.slots {
			if sl := &c.slots[i]; sl.alive {
				f(c, sl)
			}
		}
	}
}

// catchUp enters that the slot was compared when its window was read last, and nothing had changed.
func (sl *slot) catchUp(w *window) {
	if sl.tick == 0 || sl.tick >= w.tick {
		return // it was never compared, or something had changed
	}
	sl.read, sl.tick = w.read, w.tick
	if sl.alive {
		sl.now.to = w.read
	}
}
