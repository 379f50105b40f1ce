package goroutine

import "encoding/binary"

// The runtime's table only grows: a program that once had a million goroutines keeps a million dead g's,
// and any of them may be used again. So a chunk in which no goroutine lives is folded: of its slots
// nothing is kept but where they are, 2 bytes each instead of some 400, and of their g's nothing is
// looked at but the status. It is unfolded when a goroutine is found in it.

// maxEntries is how many entries of the table are looked at, dead ones included.
const maxEntries = int(maxAllglen)

// MaxWatched is about how many goroutines are watched at a time; it bounds the slots that are unfolded.
const MaxWatched = 1 << 20

// lookFolded looks at the g's of a folded chunk and counts those that live.
func (s *scanner) lookFolded(c *chunk, image int, ok *[chunkWindows]bool) (found pulse, live int) {
	stride := s.stride()
	for _, off := range c.folded {
		w := int(off) / stride
		if !ok[w] {
			s.stats.Unread++
			continue
		}
		status := binary.LittleEndian.Uint32(s.image[image+int(off)+s.f.status:]) &^ gscan
		switch kd := kindOf(status); {
		case kd > dead:
			live++
		case kd == odd:
			s.stats.Unread++
		case c.windows[w].tick == 0:
			found = spare
		}
	}
	return found, live
}

// unfold makes slots of a chunk, if there is room for more.
func (s *scanner) unfold(c *chunk) bool {
	if s.slots+len(c.folded) > s.most {
		return false
	}
	stride := s.stride()
	for _, off := range c.folded {
		w := &c.windows[int(off)/stride]
		addr := w.lo&^(windowSize-1) + uint64(int(off)%stride)
		c.slots = append(c.slots, slot{addr: addr, off: int32(off), read: w.read, tick: w.tick})
	}
	s.slots += len(c.folded)
	c.folded = nil
	s.unwatch(c, 0)
	return true
}

// fold forgets the slots of a chunk if no goroutine lives in it.
func (s *scanner) fold(c *chunk) {
	for i := range c.slots {
		if c.slots[i].alive {
			return
		}
	}
	for i := range c.slots {
		c.folded = append(c.folded, uint16(c.slots[i].off))
	}
	s.slots -= len(c.slots)
	c.slots = nil
}

// unwatch enters how many goroutines live in a chunk that could not be unfolded.
func (s *scanner) unwatch(c *chunk, live int) {
	s.unwatched += int64(live) - int64(c.unwatched)
	c.unwatched = uint16(live)
	s.stats.Unwatched = max(s.stats.Unwatched, s.unwatched)
}
