package elfx

import (
	"bytes"
	"debug/elf"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/mayfly-profiler/mayfly/internal/cost"
	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/symbolize/internal/fixture"
)

func seeds() [][]byte {
	funcs := []fixture.Func{{Name: "main.main", File: "main.go", Size: 16}}
	return [][]byte{
		fixture.Binary{Funcs: funcs, Symbol: "cfunc"}.ELF(),
		fixture.Binary{Funcs: funcs, Relocated: true}.ELF(),
		fixture.Binary{NoGo: true, NoSections: true}.ELF(),
	}
}

// TestRealBinary compares with debug/elf on what the linkers make.
func TestRealBinary(t *testing.T) {
	for _, b := range []target.Build{{}, {PIE: true, CGO: true}} {
		t.Run(b.String(), func(t *testing.T) { realBinary(t, target.Compile(t, "frames", b)) })
	}
}

func realBinary(t *testing.T, exe string) {
	want, err := elf.Open(exe)
	if err != nil {
		t.Fatal(err)
	}
	defer want.Close()
	r, err := os.Open(exe)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	f, err := New(r)
	if err != nil {
		t.Fatal(err)
	}
	if f.Machine != uint16(want.Machine) || f.Entry != want.Entry || len(f.Sections) != len(want.Sections) {
		t.Errorf("got machine %d, entry %#x, %d sections", f.Machine, f.Entry, len(f.Sections))
	}
	for i, s := range want.Sections {
		size := s.FileSize
		if s.Type == elf.SHT_NOBITS {
			size = s.Size
		}
		if g := f.Sections[i]; g.Name != s.Name || g.Addr != s.Addr || g.Off != s.Offset || g.Size != size {
			t.Errorf("section %d: got %+v, want %+v", i, g, s.SectionHeader)
		}
	}
	syms, err := want.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	checkSymbols(t, f.Symbols(nil), syms)
}

func checkSymbols(t *testing.T, got *Symbols, want []elf.Symbol) {
	t.Helper()
	alias := map[uint64][]string{}
	for _, s := range want {
		alias[s.Value] = append(alias[s.Value], s.Name)
	}
	n := 0
	for _, s := range want {
		if elf.ST_TYPE(s.Info) != elf.STT_FUNC || s.Size == 0 || s.Section == elf.SHN_UNDEF {
			continue
		}
		n++
		name, start, ok := got.Lookup(s.Value + s.Size/2)
		if !ok || start != s.Value || !strings.Contains(strings.Join(alias[s.Value], "\n"), name) {
			t.Fatalf("%s: got %s at %#x, %v", s.Name, name, start, ok)
		}
	}
	if n == 0 {
		t.Error("no symbol compared")
	}
}

func TestWords(t *testing.T) {
	const at = fixture.Base + 0x4000
	for i, img := range seeds()[:2] { // in place, and by relocations
		f, err := New(bytes.NewReader(img))
		if err != nil {
			t.Fatal(err)
		}
		w := f.Words(at, 48)
		if len(w) != 48 || w[22] != fixture.Text || w[23] != fixture.Text+16 || w[17] != 2 {
			t.Errorf("%d: got %#x", i, w)
		}
		if f.Words(at, 1<<20) != nil || f.Words(1, 1) != nil {
			t.Errorf("%d: words from nowhere", i)
		}
	}
}

func TestSymbolLookup(t *testing.T) {
	f, err := New(bytes.NewReader(seeds()[0]))
	if err != nil {
		t.Fatal(err)
	}
	s := f.Symbols(nil)
	const at = fixture.Text + 0xf00
	for addr, want := range map[uint64]string{at - 1: "", at: "cfunc", at + 15: "cfunc", at + 16: ""} {
		if name, _, ok := s.Lookup(addr); name != want || ok != (want != "") {
			t.Errorf("%#x: got %q, %v, want %q", addr, name, ok, want)
		}
	}
	if s := f.Symbols(func(uint64) bool { return true }); s != nil {
		t.Errorf("all skipped, but %+v", s)
	}
	var none *Symbols
	if _, _, ok := none.Lookup(at); ok {
		t.Error("found in no symbols")
	}
}

// TestSymbolChoice covers names for one address, inner labels and functions without a size.
func TestSymbolChoice(t *testing.T) {
	names := "\x00local\x00global\x00weak\x00outer\x00label\x00bare\x00"
	at := func(s string) uint32 { return uint32(strings.Index(names, "\x00"+s+"\x00") + 1) }
	s := &Symbols{f: &File{r: strings.NewReader(names)}, names: Section{Size: uint64(len(names))}, syms: []symbol{
		{100, 10<<2 | 1, at("local")}, {100, 10<<2 | 3, at("global")}, {100, 10<<2 | 2, at("weak")},
		{200, 50<<2 | 3, at("outer")}, {210, 5<<2 | 1, at("label")}, {300, 0, at("bare")},
	}}
	s.sort()
	for addr, want := range map[uint64]string{105: "global", 205: "outer", 212: "label", 220: "outer", 260: "",
		300: "bare", 300 + maxUnsized - 1: "bare", 300 + maxUnsized: ""} {
		if name, _, _ := s.Lookup(addr); name != want {
			t.Errorf("%d: got %q, want %q", addr, name, want)
		}
	}
}

// TestLoad covers segments whose address and place differ, as lld lays them out.
func TestLoad(t *testing.T) {
	f := &File{Loads: []Segment{
		{Vaddr: 0, Off: 0, Filesz: 0x1234},
		{Vaddr: 0x2240, Off: 0x1240, Filesz: 0x3000, Exec: true},
	}}
	for off, want := range map[uint64]uint64{0x1000: 0x2240, 0x1240: 0x2240, 0x2000: 0x2240} {
		if s, ok := f.Load(off, Exec); !ok || s.Vaddr != want {
			t.Errorf("%#x: got %+v, %v", off, s, ok)
		}
	}
	if _, ok := f.Load(0x100000, Exec); ok {
		t.Error("found outside of the file")
	}
}

func TestBuildID(t *testing.T) {
	note := func(owner string, kind byte, desc string) []byte {
		b := []byte{byte(len(owner)), 0, 0, 0, byte(len(desc)), 0, 0, 0, kind, 0, 0, 0}
		b = append(b, owner...)
		b = append(b, desc...)
		return append(b, make([]byte, (4-len(b)%4)%4)...)
	}
	gnu, golang := note("GNU\x00", 3, "\x01\x02\xff"), note("Go\x00\x00", 4, "a/b")
	other := note("Xen\x00", 3, "nope!")
	for _, tc := range []struct {
		notes []byte
		want  string
	}{
		{nil, ""},
		{other, ""},
		{append(bytes.Clone(other), gnu...), "0102ff"},
		{append(bytes.Clone(golang), gnu...), "0102ff"},
		{golang, "c14cddc033f64b9dea80ea675cf280a015e672516090a5626781153dc68fea11"[:40]},
		{gnu[:13], ""},
	} {
		f := &File{r: bytes.NewReader(tc.notes), notes: []Segment{{Filesz: uint64(len(tc.notes))}}}
		if got := f.BuildID(); got != tc.want {
			t.Errorf("% x: got %q, want %q", tc.notes, got, tc.want)
		}
	}
}

// TestClaims opens a file whose headers claim more than there is: it must not cost memory.
func TestClaims(t *testing.T) {
	f := &File{r: strings.NewReader("abc\x00def")}
	if b := f.Bytes(0, 1<<62); len(b) != 7 {
		t.Errorf("read %d bytes", len(b))
	}
	for _, off := range []uint64{7, 1 << 40, 1<<64 - 1} {
		if b := f.Bytes(off, 16); len(b) != 0 {
			t.Errorf("%#x: read %d bytes", off, len(b))
		}
	}
	if s := f.String(0, 100); s != "abc" {
		t.Errorf("got %q", s)
	}
	if s := f.String(4, 100); s != "def" {
		t.Errorf("got %q", s)
	}
	if s := f.String(4, 2); s != "de" {
		t.Errorf("got %q", s)
	}
	f.Sections = []Section{{Type: shtSymtab, Entsize: symSize, Off: 1 << 63, Size: 1<<64 - 1}}
	if s := f.Symbols(nil); s != nil {
		t.Errorf("symbols %+v", s)
	}
	if _, err := New(strings.NewReader("\x7fELF")); !errors.Is(err, ErrFormat) || !errors.Is(err, io.EOF) {
		t.Errorf("got %v", err)
	}
}

func FuzzELF(f *testing.F) {
	for _, s := range seeds() {
		f.Add(s)
		for _, at := range []int{32, 40, 52, 56, 60, 62} { // tables of segments and sections: where, and how many
			bomb := slices.Clone(s)
			bomb[at], bomb[at+1] = 0xff, 0xff
			f.Add(bomb)
			bomb = slices.Clone(s)
			bomb[at], bomb[at+1] = 0, 0
			f.Add(bomb)
		}
	}
	f.Fuzz(func(t *testing.T, img []byte) {
		cost.Small.Hold(t, func() {
			e, err := New(bytes.NewReader(img))
			if err != nil {
				if !errors.Is(err, ErrFormat) {
					t.Fatalf("untyped error %v", err)
				}
				return
			}
			e.BuildID()
			e.HasGoNote()
			e.Section(".gopclntab")
			s := e.Symbols(func(a uint64) bool { return a%7 == 0 })
			for _, l := range e.Loads {
				e.Words(l.Vaddr, 48)
				s.Lookup(l.Vaddr + 1)
				if off, avail, ok := e.Offset(l.Vaddr); ok && (off != l.Off && off+avail > 1<<63 || avail == 0) {
					t.Fatalf("offset %#x+%#x of %+v", off, avail, l)
				}
				e.Load(l.Off, Exec)
			}
		})
	})
}
