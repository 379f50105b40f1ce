package pclntab

const (
	// maxWork bounds the bytes that are decoded for one lookup: the tables of a hostile file may
	// be one function of gigabytes.
	maxWork = 32 << 20
	// maxTotal bounds it for all of them, to half a minute: real tables take some kilobytes a lookup.
	maxTotal = 4 << 30
)

// work is what a lookup may still decode, in bytes.
type work int

// work is what a lookup may decode now, and charge takes off what it did.
func (t *Table) work() work { return work(min(maxWork, maxTotal-t.decoded)) }

func (t *Table) charge(had work, left *work) { t.decoded += int64(had - *left) }

// cursor reads a table byte by byte, across pages.
type cursor struct {
	p        *pages
	pos, end uint64
	win      []byte
}

func (c *cursor) next() (byte, bool) {
	if len(c.win) == 0 {
		if c.pos >= c.end {
			return 0, false
		}
		c.win = c.p.tail(c.pos)
		c.win = c.win[:min(uint64(len(c.win)), c.end-c.pos)]
		c.pos += uint64(len(c.win))
		if len(c.win) == 0 {
			return 0, false
		}
	}
	b := c.win[0]
	c.win = c.win[1:]
	return b, true
}

func (c *cursor) uvarint() (uint32, bool) {
	var v uint32
	for shift := 0; shift < 35; shift += 7 {
		b, ok := c.next()
		if !ok {
			return 0, false
		}
		v |= uint32(b&0x7f) << shift
		if b < 0x80 {
			return v, true
		}
	}
	return 0, false
}

// pcvalue decodes the table at off up to a target, an offset from the function's entry, and
// returns the value there, or -1. A table is pairs of a zigzag value delta and a pc delta in
// instruction units, from value -1 on, ended by a value delta of zero anywhere but at the entry
// (runtime.step).
func (t *Table) pcvalue(off, target uint32, w *work) int32 {
	if off == 0 || uint64(off) >= t.pcs.size || *w <= 0 {
		return -1
	}
	start := t.pcs.off + uint64(off)
	c := cursor{p: t.p, pos: start, end: min(t.pcs.off+t.pcs.size, start+uint64(*w))}
	val, pc := int32(-1), uint64(0)
	for {
		dv, ok := c.uvarint()
		if !ok || dv == 0 && pc != 0 {
			break
		}
		dpc, ok := c.uvarint()
		if !ok || dpc == 0 { // no value is of no code (cmd/internal/obj/pcln.go, funcpctab); zeros would be read to the end of all tables
			break
		}
		val += int32(-(dv & 1) ^ (dv >> 1))
		if pc += uint64(dpc) * uint64(t.quantum); uint64(target) < pc {
			*w -= work(c.pos - uint64(len(c.win)) - start)
			return val
		}
	}
	*w -= work(c.pos - uint64(len(c.win)) - start)
	return -1
}
