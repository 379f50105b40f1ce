package timeline

// Sight is what one scan of a goroutine says of the request that it is inside, for who follows requests while they are recorded
// and cannot wait for a whole timeline.
type Sight struct {
	Inside  bool // a handler is on the stack
	Stale   bool // the stack may be of an earlier moment, or of none
	Left    bool // a connection's goroutine that is surely out of its handler
	Waits   bool // that waits for its next request: labels that it has are those that the one before left on
	Apart   bool // of a request that has no length of its own: a stream, a profile
	Flushes bool // a part of an answer is sent: who does so again and again is a stream
}

// Streams says whether a request that was seen to flush so often is a stream.
func Streams(flushed int) bool { return flushed >= severalFlushes }

// Sight reads a state and a stack of the builder.
func (b *Builder) Sight(s State, stack int32) Sight {
	state := b.State(s)
	p := Piece{State: state, Stack: stack, Kind: b.KindAt(state, stack)}
	m := b.Stacks[stack].marks
	return Sight{
		Inside:  m&handles != 0,
		Stale:   p.Stale() || b.Has(&b.Stacks[stack], unwalked),
		Left:    b.Stacks[stack].idle() && p.Kind != Stopped && !p.Kind.Denied(),
		Waits:   p.waitsForNext(b.Stacks),
		Apart:   m&(streams|profiling) != 0 || b.takenOver(&p),
		Flushes: m&flushes != 0,
	}
}
