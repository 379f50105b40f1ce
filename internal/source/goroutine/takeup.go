package goroutine

import (
	"cmp"
	"slices"
)

const growBatch = 1 << 14 // entries of the table that are taken up in one tick

// takeUp makes slots of new entries of allgs: at most growBatch of those that there were when the
// length was read last, which was in the tick before. The runtime publishes the array before its
// length (runtime/proc.go, allgadd), so the length was read first.
func (m *memory) takeUp() error {
	m.asked = false
	if m.n == 0 {
		if err := m.readGroup(nil); err != nil {
			return err
		}
	}
	if all := m.entries(); all > m.n {
		n := min(all, m.n+growBatch)
		err := m.takeUpTo(n)
		m.settled = m.settled || n >= all
		return err
	}
	return nil
}

// takeUpTo makes slots of the entries up to n.
func (m *memory) takeUpTo(n int) error {
	var ptr [8]byte
	if k, err := m.ReadAt(ptr[:], int64(m.v.Allgptr)); k < len(ptr) {
		return cmp.Or(noFault(err), errGone)
	}
	tail := make([]byte, 8*(n-m.n))
	at := word(ptr[:], 0) + 8*uint64(m.n)
	if at > 1<<62 {
		return errGone
	}
	if k, err := m.ReadAt(tail, int64(at)); k < len(tail) {
		return cmp.Or(noFault(err), errGone)
	}
	addrs := make([]uint64, 0, n-m.n)
	for ; len(tail) > 0; tail = tail[8:] {
		if a := word(tail, 0); a >= 4096 && a < 1<<62 && a%8 == 0 {
			addrs = append(addrs, a)
		}
	}
	slices.Sort(addrs)
	for _, a := range slices.Compact(addrs) {
		m.place(a)
	}
	m.n = n
	return nil
}

// place finds or makes the chunk for a g at addr.
func (m *memory) place(addr uint64) {
	at := addr >> windowBits
	c := m.windows[at]
	if c == nil {
		if n := len(m.chunks); n > 0 && m.chunks[n-1].n < chunkWindows {
			c = m.chunks[n-1]
		} else {
			c = &chunk{period: 1, due: m.clock.tick}
			m.chunks = append(m.chunks, c)
			m.cold++
		}
		c.windows[c.n] = window{lo: addr, hi: addr}
		c.n++
		m.windows[at] = c
	}
	for i := range c.n {
		if w := &c.windows[i]; w.lo>>windowBits == at {
			w.lo, w.hi = min(w.lo, addr), max(w.hi, addr+uint64(m.f.size))
			off := i*m.stride() + int(addr&(windowSize-1))
			if !m.settled && len(c.slots) == 0 || !m.unfold(c) || m.slots >= m.most {
				c.folded = append(c.folded, uint16(off))
				continue
			}
			sl := slot{addr: addr, off: int32(off)}
			if m.settled {
				sl.read = m.before // it did not exist then
			}
			c.slots = append(c.slots, sl)
			m.slots++
		}
	}
	c.due, c.period, c.asleep = m.clock.tick, 1, false
}
