package pclntab

import (
	"bytes"
	"math/rand"
	"strings"
	"testing"
)

// TestPages reads more than the cache holds, at random.
func TestPages(t *testing.T) {
	data := make([]byte, (maxPages+100)*pageSize+123)
	r := rand.New(rand.NewSource(1))
	r.Read(data)
	p := newPages(bytes.NewReader(data))
	for range 20000 {
		off, n := r.Intn(len(data)), r.Intn(3*pageSize)
		got := p.bytes(uint64(off), n)
		if off+n > len(data) {
			if got != nil {
				t.Fatalf("%d bytes at %d: past the end", n, off)
			}
			continue
		}
		if !bytes.Equal(got, data[off:off+n]) {
			t.Fatalf("%d bytes at %d differ", n, off)
		}
	}
	if len(p.ring) > maxPages || len(p.m) != len(p.ring) {
		t.Errorf("%d pages in the ring, %d in the map", len(p.ring), len(p.m))
	}
	for _, off := range []uint64{uint64(len(data)), 1 << 62, 1<<64 - 1} {
		if b := p.tail(off); len(b) != 0 {
			t.Errorf("%d bytes at %#x", len(b), off)
		}
	}
}

func TestCString(t *testing.T) {
	long := strings.Repeat("x", 3*pageSize)
	p := newPages(strings.NewReader("abc\x00" + long + "\x00bad\xff\x00end"))
	for _, tc := range []struct {
		off, limit uint64
		want       string
	}{{0, 100, "abc"}, {1, 1, "b"}, {3, 9, ""}, {4, uint64(len(long)), long}, {4, pageSize, long[:pageSize]},
		{uint64(len(long)) + 5, 99, "bad\uFFFD"}, {uint64(len(long)) + 10, 99, "end"}, {1 << 40, 9, ""}} {
		if got := p.cstring(tc.off, tc.limit); got != tc.want {
			t.Errorf("%d: got %.20q of %d bytes, want %.20q", tc.off, got, len(got), tc.want)
		}
	}
}

// Names that were read are remembered, up to a bound in bytes.
func TestStringsAreBounded(t *testing.T) {
	name := strings.Repeat("x", 99)
	const n = 4 * maxInterned / 100
	tab := &Table{p: newPages(strings.NewReader(strings.Repeat(name+"\x00", n))), strings: make(map[uint64]string)}
	for i := range uint32(n) {
		if got := tab.str(span{0, 100 * n}, 100*i); got != name {
			t.Fatalf("%d: %q", i, got)
		}
		if tab.held > maxInterned || len(tab.strings)*(stringCost+len(name)) != tab.held {
			t.Fatalf("%d names, %d bytes counted", len(tab.strings), tab.held)
		}
	}
}

// TestPCValue covers the ends of tables.
func TestPCValue(t *testing.T) {
	table := []byte{0, // no table at 0
		2, 4, 3, 4, 0, // 0 for 4 bytes, -2 for 4 bytes
		0, 4, 2, 1, 0, // -1 at the entry, then 0: a zero delta is no end there
		0x80, 0x80, 0x80, 0x80, 0x80, 0x80, // a number without end
	}
	tab := &Table{p: newPages(bytes.NewReader(table)), quantum: 1, pcs: span{0, uint64(len(table))}}
	for _, tc := range []struct {
		off, pc uint32
		want    int32
	}{{0, 0, -1}, {1, 0, 0}, {1, 3, 0}, {1, 4, -2}, {1, 7, -2}, {1, 8, -1}, {6, 0, -1}, {6, 4, 0}, {6, 5, -1}, {11, 0, -1}, {99, 0, -1}} {
		w := work(maxWork)
		if got := tab.pcvalue(tc.off, tc.pc, &w); got != tc.want {
			t.Errorf("table %d at %d: got %d, want %d", tc.off, tc.pc, got, tc.want)
		}
	}
	w := work(2)
	if got := tab.pcvalue(1, 4, &w); got != -1 || w > 0 {
		t.Errorf("without work left: got %d", got)
	}
}

// A small table of names does not have megabytes of them: a name inside another one is none. Before, 6,000 functions of a
// 78 KB table had 64 KiB each.
func TestNamesDoNotOverlap(t *testing.T) {
	long := strings.Repeat("x", 78<<10)
	tab := &Table{p: newPages(strings.NewReader("main.f\x00" + long)), strings: make(map[uint64]string)}
	names := span{0, uint64(7 + len(long))}
	for off, want := range map[uint32]string{0: "main.f", 3: damaged, 6: damaged, 7: long[:maxString],
		8: damaged, 1000: damaged, 1 << 30: ""} {
		if got := tab.str(names, off); got != want {
			t.Errorf("name at %d: %.20q of %d bytes", off, got, len(got))
		}
	}
}

// Zeros are no table of which nobody finds the end, and what all lookups together may decode ends.
func TestWorkIsBounded(t *testing.T) {
	const n = 1 << 20
	tab := &Table{p: newPages(bytes.NewReader(make([]byte, n))), quantum: 1, pcs: span{0, n}}
	w := work(maxWork)
	if v := tab.pcvalue(1, 100, &w); v != -1 || w < maxWork-16 {
		t.Errorf("%d, %d bytes of zeros were decoded", v, maxWork-w)
	}
	tab = &Table{p: newPages(bytes.NewReader(bytes.Repeat([]byte{2, 1}, n/2))), quantum: 1, pcs: span{0, n}}
	for range 3 {
		w := tab.work()
		tab.pcvalue(2, n, &w)
		tab.charge(tab.work(), &w)
	}
	if want := int64(3 * (n - 2)); tab.decoded != want {
		t.Errorf("%d bytes were decoded, want %d", tab.decoded, want)
	}
	if tab.decoded = maxTotal; tab.work() != 0 {
		t.Errorf("%d bytes may be decoded still", tab.work())
	}
}
