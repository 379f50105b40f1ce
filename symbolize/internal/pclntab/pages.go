package pclntab

import (
	"bytes"
	"io"
	"math"
)

const (
	pageSize = 8 << 10
	maxPages = 1024 // 8 MiB
)

// pages reads a file through a bounded cache. The tables of a large binary take 20 MB and more,
// of which a profile touches a few per cent: reading them whole would cost a profiler most of
// its time to attach and most of its memory. Replacement is by second chance.
type pages struct {
	r    io.ReaderAt
	m    map[uint64]*page
	ring []*page
	hand int
	last *page
	buf  []byte // joins what crosses pages
}

type page struct {
	no   uint64
	used bool
	b    []byte // shorter than pageSize at the end of the file
}

func newPages(r io.ReaderAt) *pages { return &pages{r: r, m: map[uint64]*page{}} }

// drop empties the cache.
func (p *pages) drop() {
	clear(p.m)
	p.ring, p.hand, p.last = nil, 0, nil
}

// tail returns the bytes of the file from off to the end of its page; none past the end of the
// file or when it cannot be read. They stay valid until the next call of any method.
func (p *pages) tail(off uint64) []byte {
	pg := p.last
	if no := off / pageSize; pg == nil || pg.no != no {
		pg = p.load(no)
		p.last = pg
	}
	in := off % pageSize
	if in >= uint64(len(pg.b)) {
		return nil
	}
	return pg.b[in:]
}

func (p *pages) load(no uint64) *page {
	if pg := p.m[no]; pg != nil {
		pg.used = true
		return pg
	}
	pg := p.slot()
	pg.no, pg.used, pg.b = no, true, pg.b[:cap(pg.b)]
	n := 0
	if no <= math.MaxInt64/pageSize-1 {
		n, _ = p.r.ReadAt(pg.b, int64(no*pageSize))
	}
	pg.b = pg.b[:n]
	p.m[no] = pg
	return pg
}

// slot returns a page to fill: a new one, or the first that was not used since the hand passed.
func (p *pages) slot() *page {
	if len(p.ring) < maxPages {
		pg := &page{b: make([]byte, pageSize)}
		p.ring = append(p.ring, pg)
		return pg
	}
	for {
		pg := p.ring[p.hand]
		p.hand = (p.hand + 1) % len(p.ring)
		if !pg.used {
			delete(p.m, pg.no)
			return pg
		}
		pg.used = false
	}
}

// bytes returns n bytes from off, or nil when there are not so many. They stay valid until the
// next call of any method.
func (p *pages) bytes(off uint64, n int) []byte {
	if b := p.tail(off); len(b) >= n {
		return b[:n]
	}
	p.buf = p.buf[:0]
	for len(p.buf) < n {
		b := p.tail(off + uint64(len(p.buf)))
		if len(b) == 0 {
			return nil
		}
		p.buf = append(p.buf, b[:min(len(b), n-len(p.buf))]...)
	}
	return p.buf
}

// cstring copies out the zero-terminated string at off, at most limit bytes.
func (p *pages) cstring(off, limit uint64) string {
	p.buf = p.buf[:0]
	for uint64(len(p.buf)) < limit {
		b := p.tail(off + uint64(len(p.buf)))
		if len(b) == 0 {
			break
		}
		b = b[:min(uint64(len(b)), limit-uint64(len(p.buf)))]
		if i := bytes.IndexByte(b, 0); i >= 0 {
			p.buf = append(p.buf, b[:i]...)
			break
		}
		p.buf = append(p.buf, b...)
	}
	return string(bytes.ToValidUTF8(p.buf, []byte("\uFFFD")))
}

// span is a table in the file.
type span struct{ off, size uint64 }

// at returns the place in the file of n bytes at a distance into the table.
func (s span) at(off, n uint64) (uint64, bool) {
	if off > s.size || n > s.size-off {
		return 0, false
	}
	return s.off + off, true
}
