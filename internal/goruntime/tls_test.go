package goruntime

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"slices"
	"testing"
)

func le32(n int32) []byte { return binary.LittleEndian.AppendUint32(nil, uint32(n)) }

func le64(n uint64) []byte { return binary.LittleEndian.AppendUint64(nil, n) }

// An executable of code at 0x1000 and data at 0x3000, with a TLS block of 40 bytes.
func executable(code, data []byte) *elf.File {
	prog := func(h elf.ProgHeader, b []byte) *elf.Prog {
		h.Filesz = uint64(len(b))
		return &elf.Prog{ProgHeader: h, ReaderAt: bytes.NewReader(b)}
	}
	f := &elf.File{FileHeader: elf.FileHeader{Machine: elf.EM_X86_64}}
	f.Progs = []*elf.Prog{
		prog(elf.ProgHeader{Type: elf.PT_LOAD, Flags: elf.PF_R | elf.PF_X, Vaddr: 0x1000}, code),
		prog(elf.ProgHeader{Type: elf.PT_LOAD, Flags: elf.PF_R | elf.PF_W, Vaddr: 0x3000}, data),
		prog(elf.ProgHeader{Type: elf.PT_TLS, Memsz: 40, Align: 8}, nil),
	}
	return f
}

func TestTLSCode(t *testing.T) {
	pad := bytes.Repeat([]byte{0x90}, 16)
	exe := slices.Concat([]byte{0x64, 0x4c, 0x8b, 0x34, 0x25}, le32(-32))
	pie := slices.Concat([]byte{0x49, 0xc7, 0xc6}, le32(-32), []byte{0x64, 0x4d, 0x8b, 0x36})
	other := slices.Concat([]byte{0x64, 0x4c, 0x8b, 0x34, 0x25}, le32(-16))
	outside := slices.Concat([]byte{0x64, 0x4c, 0x8b, 0x34, 0x25}, le32(-48))
	odd := slices.Concat([]byte{0x64, 0x4c, 0x8b, 0x34, 0x25}, le32(-20))
	// At 0x1010, so that the word at 0x3008 is 0x1ff1 behind the instruction's end.
	got := slices.Concat([]byte{0x4c, 0x8b, 0x35}, le32(0x3008-0x1017), []byte{0x64, 0x4d, 0x8b, 0x36})
	slot := slices.Concat(le64(0), le64(1<<64-32))
	for _, c := range []struct {
		name  string
		f     *elf.File
		want  int64
		found bool
	}{
		{"executable", executable(slices.Concat(pad, exe, pad), nil), -32, true},
		{"position independent", executable(slices.Concat(pad, pie, pad), nil), -32, true},
		{"GOT word known to the linker", executable(slices.Concat(pad, got, pad), slot), -32, true},
		{"GOT word nowhere", executable(slices.Concat(pad, got, pad), nil), 0, false},
		{"majority", executable(slices.Concat(pad, other, exe, pad, exe, pad), nil), -32, true},
		{"no majority", executable(slices.Concat(pad, other, exe, pad), nil), 0, false},
		{"outside of the block", executable(slices.Concat(pad, outside, odd, pad), nil), 0, false},
		{"none", executable(pad, nil), 0, false},
		{"across a read", executable(slices.Concat(bytes.Repeat([]byte{0x90}, 1<<20-4), pie, pad), nil), -32, true},
	} {
		got, from := findTLS(c.f)
		if (from == TLSCode) != c.found || c.found && got != c.want {
			t.Errorf("%s: %d from %q, want %d", c.name, got, from, c.want)
		}
	}
}

// withSymbols adds a symbol table with thread-local symbols, by name and value.
func withSymbols(f *elf.File, symbols map[string]uint64) *elf.File {
	names, table := []byte{0}, make([]byte, symbolSize)
	for name, value := range symbols {
		sym := binary.LittleEndian.AppendUint32(nil, uint32(len(names)))
		sym = append(sym, byte(elf.STT_TLS), 0, 1, 0)
		table = append(table, slices.Concat(sym, le64(value), le64(goTLS))...)
		names = append(names, name+"\x00"...)
	}
	section := func(h elf.SectionHeader, b []byte) *elf.Section {
		h.Size, h.FileSize = uint64(len(b)), uint64(len(b))
		return &elf.Section{SectionHeader: h, ReaderAt: bytes.NewReader(b)}
	}
	f.Sections = []*elf.Section{{}, section(elf.SectionHeader{Type: elf.SHT_SYMTAB, Link: 2}, table),
		section(elf.SectionHeader{Type: elf.SHT_STRTAB}, names)}
	return f
}

// arm64's executables with C in them have two words, and load g from tls_g: the values are those of a program of Go 1.26.8 that GNU ld
// linked, whose load_g says mov x27, #0x20.
func TestTLSSymbol(t *testing.T) {
	both := map[string]uint64{"runtime.tls_g": 0x10, "runtime.tlsg": 0x18, "errno": 0}
	arm := executable(nil, nil)
	arm.Machine = elf.EM_AARCH64
	arm.Progs[2].Align = 16
	for _, tt := range []struct {
		f    *elf.File
		want int64
	}{{withSymbols(arm, both), 0x20}, {withSymbols(executable(nil, nil), map[string]uint64{"runtime.tlsg": 0x18}), 0x18 - 40}} {
		if got, from := findTLS(tt.f); got != tt.want || from != TLSSymbol {
			t.Errorf("%s: %#x from %q, want %#x", tt.f.Machine, got, from, tt.want)
		}
	}
}

// Each place counts once, also where two reads of the code overlap.
func TestTLSCodeCountsOnce(t *testing.T) {
	exe := slices.Concat([]byte{0x64, 0x4c, 0x8b, 0x34, 0x25}, le32(-32))
	for at := 1<<20 - 40; at < 1<<20+40; at++ {
		f := executable(slices.Concat(bytes.Repeat([]byte{0x90}, at), exe, make([]byte, 64)), nil)
		b, _ := tlsBlock(f)
		v := votes{count: map[int64]int{}, slots: map[uint64]slotWord{}, file: f, block: b}
		v.search(f.Progs[0])
		if v.count[-32] != 1 {
			t.Errorf("at %#x: counted %d times", at, v.count[-32])
		}
	}
}

func TestBlockOffset(t *testing.T) {
	for _, c := range []struct {
		b     block
		value uint64
		want  int64
	}{
		{block{8, 8, true}, 0, -8},
		{block{12, 8, true}, 0, -16}, // Go's word, then a C int
		{block{40, 8, true}, 8, -32},
		{block{40, 64, true}, 8, -56},
		{block{8, 8, false}, 0, 16},
		{block{40, 64, false}, 8, 72},
	} {
		if got := c.b.offset(c.value); got != c.want {
			t.Errorf("%+v: word at %d: %d, want %d", c.b, c.value, got, c.want)
		}
	}
}

func TestTPOFF(t *testing.T) {
	const relative = uint64(elf.R_X86_64_RELATIVE)
	tpoff64 := uint64(elf.R_X86_64_TPOFF64)
	rela := slices.Concat(le64(0x3000), le64(relative), le64(0x1000), le64(0x3008), le64(tpoff64), le64(8),
		le64(0x3010), le64(7<<32|tpoff64), le64(16))
	want := []tpoff{{0x3008, 0, 8}, {0x3010, 7, 16}}
	if got := tpoffs(bytes.NewReader(rela), elf.EM_X86_64); !slices.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}
