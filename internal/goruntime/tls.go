package goruntime

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"io"
)

// Go keeps the current g in a word of thread-local storage. An executable's TLS block lies right
// below the thread pointer on amd64 and above it on arm64, and Go's word lies in the block where
// the linker put it. Go's own linker makes a block of this one word. The system's linker, used
// when C code is linked in, puts C's thread-local variables into the same block, before or after
// the word: there a symbol tells, see wordOfG, and in stripped executables nothing but the code
// that loads g. There is a lot of that, hundreds of places even in a small program, since every
// entry from C or assembly into Go loads g into R14:
//
//	64 4c 8b 34 25 disp32                     mov %fs:disp32, %r14     executables
//	49 c7 c6 imm32           64 4d 8b 36      mov $imm32, %r14         position independent
//	                                          mov %fs:(%r14), %r14
//	4c 8b 35 disp32          64 4d 8b 36      mov disp32(%rip), %r14   the same where the linker
//	                                          mov %fs:(%r14), %r14     did not relax the GOT away
//
// The first two are what Go 1.19 to 1.26 and GNU ld emit; C code has no reason to use R14 more
// than other registers, so a clear majority settles it.

// goTLS is the size of Go's part of the block.
const goTLS = 8

// findTLS finds where in relation to the thread pointer a thread keeps its g. On arm64 only
// programs with C code keep it in TLS at all; without a block the result is TLSUnknown there.
func findTLS(f *elf.File) (int64, TLSSource) {
	block, ok := tlsBlock(f)
	if !ok {
		if f.Machine == elf.EM_X86_64 {
			return -goTLS, TLSOnly // runtime/sys_linux_amd64.s, settls
		}
		return 0, TLSUnknown
	}
	if block.size == goTLS {
		return block.offset(0), TLSOnly
	}
	if value, ok := tlsSymbol(f); ok && block.holds(value) {
		return block.offset(value), TLSSymbol
	}
	if f.Machine == elf.EM_X86_64 {
		if offset, ok := tlsCode(f, block); ok {
			return offset, TLSCode
		}
	}
	return 0, TLSUnknown
}

// A library's block lies where the dynamic linker found room for it, which differs between
// processes. Its code takes the offset of g from a word of the global offset table (the "initial
// exec" model, which all of Go's c-shared libraries use), and the dynamic linker writes that word by
// a relocation.

// tlsSlot returns the link-time address of a library's word that holds the offset of g.
func tlsSlot(f *elf.File) (uint64, bool) {
	s := f.Section(".rela.dyn")
	if s == nil {
		return 0, false
	}
	slots := tpoffs(s.Open(), f.Machine)
	if len(slots) == 1 {
		return slots[0].addr, true
	}
	if value, ok := tlsSymbol(f); ok {
		for _, t := range slots {
			if t.addend == value && t.symbol == 0 {
				return t.addr, true
			}
		}
	}
	if f.Machine != elf.EM_X86_64 {
		return 0, false
	}
	slot, ok := mostVotes(&votes{count: map[int64]int{}, file: f, library: true})
	return uint64(slot), ok
}

// inStaticTLS says whether an offset from the thread pointer can be that of a library's variable.
func inStaticTLS(f *elf.File, offset int64) bool {
	const room = 1 << 24 // no dynamic linker keeps more for libraries
	if f.Machine == elf.EM_X86_64 {
		offset = -offset
	}
	return offset >= goTLS && offset < room && offset%goTLS == 0
}

// block is an executable's TLS block, PT_TLS.
type block struct {
	size, align uint64
	below       bool // below the thread pointer (amd64), else above it
}

func tlsBlock(f *elf.File) (block, bool) {
	for _, p := range f.Progs {
		if p.Type == elf.PT_TLS && p.Memsz < 1<<30 && p.Align < 1<<20 {
			return block{p.Memsz, max(p.Align, 1), f.Machine == elf.EM_X86_64}, true
		}
	}
	return block{}, false
}

// offset is the place of the block's byte number value, seen from the thread pointer: the block's
// end is aligned below it on amd64 (ELF TLS variant II); its start is, behind the two words of the
// thread's control block, on arm64 (variant I).
func (b block) offset(value uint64) int64 {
	if b.below {
		return int64(value) - int64(roundUp(b.size, b.align))
	}
	return int64(roundUp(16, b.align) + value)
}

func (b block) holds(value uint64) bool { return b.size >= goTLS && value <= b.size-goTLS }

func roundUp(n, to uint64) uint64 { return (n + to - 1) / to * to }

const symbolSize = 24 // of Elf64_Sym

// wordOfG is the symbol of the word that code loads g from: runtime.tls_g on arm64 (runtime/tls_arm64.s, load_g), where runtime.tlsg is
// another word that nothing uses, and runtime.tlsg on amd64 (cmd/link/internal/ld/data.go).
func wordOfG(m elf.Machine) string {
	if m == elf.EM_AARCH64 {
		return "runtime.tls_g"
	}
	return "runtime.tlsg"
}

// tlsSymbol finds the value of g's symbol in the symbol table. It looks at thread-local symbols
// only, of which there are a handful, rather than reading a table of 100,000 names.
func tlsSymbol(f *elf.File) (uint64, bool) {
	table := f.SectionByType(elf.SHT_SYMTAB)
	if table == nil || int(table.Link) >= len(f.Sections) {
		return 0, false
	}
	names, g := f.Sections[table.Link], wordOfG(f.Machine)
	r := io.NewSectionReader(table, 0, int64(table.FileSize))
	buf := make([]byte, symbolSize*4096)
	for {
		n, err := io.ReadFull(r, buf)
		for sym := buf[:n]; len(sym) >= symbolSize; sym = sym[symbolSize:] {
			if elf.ST_TYPE(sym[4]) == elf.STT_TLS && named(names, binary.LittleEndian.Uint32(sym), g) {
				return word(sym[8:]), true
			}
		}
		if err != nil {
			return 0, false
		}
	}
}

// named says whether the string at the offset at in the section is name.
func named(s *elf.Section, at uint32, name string) bool {
	buf := make([]byte, len(name)+1)
	_, err := s.ReadAt(buf, int64(at))
	return err == nil && string(buf) == name+"\x00"
}

const (
	enough = 64      // places that agree, after which the search stops
	atMost = 1 << 28 // bytes of code to search
)

// tlsCode finds the offset that most loads of g into R14 use.
func tlsCode(f *elf.File, b block) (int64, bool) {
	return mostVotes(&votes{count: map[int64]int{}, slots: map[uint64]slotWord{}, file: f, block: b})
}

func mostVotes(v *votes) (int64, bool) {
	for _, p := range v.file.Progs {
		if p.Type == elf.PT_LOAD && p.Flags&elf.PF_X != 0 && v.search(p) {
			break
		}
	}
	best, n, all := int64(0), 0, 0
	for offset, count := range v.count {
		all += count
		if count > n {
			best, n = offset, count
		}
	}
	return best, n > all/2
}

type votes struct {
	count   map[int64]int       // by offset, or by address of the word that holds it in a library
	slots   map[uint64]slotWord // words of the global offset table that were read, by address
	file    *elf.File
	block   block
	library bool
}

type slotWord struct {
	offset int64
	ok     bool
}

// search counts the loads in a segment and says whether there were enough.
func (v *votes) search(p *elf.Prog) bool {
	const before, after = 7, 9 // bytes of an instruction sequence around its first %fs prefix
	buf := make([]byte, 1<<20)
	for at := int64(0); at < int64(min(p.Filesz, atMost)); at += int64(len(buf)) - before - after + 1 {
		n, _ := p.ReadAt(buf, at)
		code := buf[:n]
		for i := before; i+after <= len(code); i++ {
			next := bytes.IndexByte(code[i:len(code)-after+1], 0x64)
			if next < 0 {
				break
			}
			i += next
			if offset, ok := v.load(code[i-before:i+after], p.Vaddr+uint64(at)+uint64(i)); ok {
				v.count[offset]++
				if v.count[offset] >= enough {
					return true
				}
			}
		}
	}
	return false
}

// load reads the offset that the sequence around code[7] (the %fs prefix, at address pc) loads
// g from.
func (v *votes) load(code []byte, pc uint64) (int64, bool) {
	offset := int64(0)
	imm := int64(int32(binary.LittleEndian.Uint32(code[3:])))
	if v.library {
		return int64(pc) + imm, bytes.HasPrefix(code, []byte{0x4c, 0x8b, 0x35}) && bytes.HasPrefix(code[7:], []byte{0x64, 0x4d, 0x8b, 0x36})
	}
	switch {
	case bytes.HasPrefix(code[7:], []byte{0x64, 0x4c, 0x8b, 0x34, 0x25}):
		offset = int64(int32(binary.LittleEndian.Uint32(code[12:])))
	case !bytes.HasPrefix(code[7:], []byte{0x64, 0x4d, 0x8b, 0x36}):
		return 0, false
	case bytes.HasPrefix(code, []byte{0x49, 0xc7, 0xc6}):
		offset = imm
	case bytes.HasPrefix(code, []byte{0x4c, 0x8b, 0x35}):
		addr := pc + uint64(imm)
		slot, seen := v.slots[addr]
		if !seen {
			slot.offset, slot.ok = v.got(addr)
			v.slots[addr] = slot
		}
		if !slot.ok {
			return 0, false
		}
		offset = slot.offset
	}
	inBlock := offset <= -goTLS && offset >= -int64(roundUp(v.block.size, v.block.align))
	return offset, inBlock && offset%goTLS == 0
}

// got reads the word of the global offset table at the address: a thread-pointer offset, which
// the linker knew or which a relocation of type R_X86_64_TPOFF64 has the dynamic linker compute.
func (v *votes) got(addr uint64) (int64, bool) {
	if s := v.file.Section(".rela.dyn"); s != nil {
		for _, t := range tpoffs(s.Open(), v.file.Machine) {
			if t.addr == addr && t.symbol == 0 { // the variable is local to the executable
				return v.block.offset(t.addend), v.block.holds(t.addend)
			}
		}
	}
	for _, p := range v.file.Progs {
		if p.Type == elf.PT_LOAD && addr >= p.Vaddr && addr-p.Vaddr < p.Filesz {
			var b [8]byte
			if _, err := p.ReadAt(b[:], int64(addr-p.Vaddr)); err != nil {
				return 0, false
			}
			return int64(word(b[:])), true
		}
	}
	return 0, false
}

// tpoff is a relocation that makes the dynamic linker write the offset of a thread-local variable.
type tpoff struct {
	addr   uint64 // of the word
	symbol uint32 // 0: addend is the variable's place in the file's own block
	addend uint64
}

// maxTPOff bounds them: a file has one for each thread-local variable that it uses.
const maxTPOff = 1 << 12

// tpoffs finds the relocations of that type in r.
func tpoffs(r io.Reader, machine elf.Machine) (found []tpoff) {
	const size = 24 // of Elf64_Rela
	kind := uint32(elf.R_X86_64_TPOFF64)
	if machine == elf.EM_AARCH64 {
		kind = uint32(elf.R_AARCH64_TLS_TPREL64)
	}
	r = io.LimitReader(r, maxOther)
	buf := make([]byte, size*1024)
	for {
		n, err := io.ReadFull(r, buf)
		for rela := buf[:n]; len(rela) >= size && len(found) < maxTPOff; rela = rela[size:] {
			if info := word(rela[8:]); uint32(info) == kind {
				found = append(found, tpoff{word(rela), uint32(info >> 32), word(rela[16:])})
			}
		}
		if err != nil {
			return found
		}
	}
}
