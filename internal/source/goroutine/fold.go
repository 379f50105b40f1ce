package goroutine

import "encoding/binary"

// The runtime's table only grows: a program that once had a million goroutines keeps a million dead g's,
// and any of them may be used again. So a chunk in which no goroutine lives is folded: of its slots
// nothing is kept but where they are, 2 bytes each instead of some 400, and of their g's nothing is
// read but the status. It is unfolded when a goroutine is found in it.

// countFolded counts the goroutines that live in a folded chunk, and says whether there is a free g that nobody knew of.
func (m *memory) countFolded(c *chunk) (free bool, live int) {
	stride := m.stride()
	for _, off := range c.folded {
		w := &c.windows[int(off)/stride]
		if !w.ok {
			m.stats.Unread++
			continue
		}
		status := binary.LittleEndian.Uint32(m.image[c.image+int(off)+m.f.status:]) &^ gscan
		switch kd := kindOf(status); {
		case kd > dead:
			live++
		case kd == odd:
			m.stats.Unread++
		case w.tick == 0:
			free = true
		}
	}
	return free, live
}

// unfold makes slots of a chunk, if there is room for more.
func (m *memory) unfold(c *chunk) bool {
	if m.slots+len(c.folded) > m.most {
		return false
	}
	stride := m.stride()
	for _, off := range c.folded {
		w := &c.windows[int(off)/stride]
		addr := w.lo&^(windowSize-1) + uint64(int(off)%stride)
		c.slots = append(c.slots, slot{addr: addr, off: int32(off), read: w.read, tick: w.tick})
	}
	m.slots += len(c.folded)
	c.folded = nil
	m.unwatch(c, 0)
	return true
}

// fold forgets the slots of a chunk if no goroutine lives in it.
func (m *memory) fold(c *chunk) {
	for i := range c.slots {
		if c.slots[i].alive {
			return
		}
	}
	for i := range c.slots {
		c.folded = append(c.folded, uint16(c.slots[i].off))
	}
	m.slots -= len(c.slots)
	c.slots = nil
}

// unwatch enters how many goroutines live in a chunk that could not be unfolded.
func (m *memory) unwatch(c *chunk, live int) {
	m.unwatched += int64(live) - int64(c.unwatched)
	c.unwatched = uint16(live)
	m.stats.Unwatched = max(m.stats.Unwatched, m.unwatched)
}
