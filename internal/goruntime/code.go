package goruntime

import (
	"debug/elf"
	"encoding/binary"

	"golang.org/x/arch/x86/x86asm"
)

// code disassembles functions of an executable.
type code struct {
	file *elf.File
	fn   func(name string) (lo, hi uint64, ok bool)
}

// use is what an instruction does with a variable.
type use uint8

const (
	load use = iota
	store
	compare
	address // its address is taken
)

// ref is one use of a variable in a function's code.
type ref struct {
	addr uint64
	use  use
	size int   // bytes that are loaded or stored; 0 if not known
	imm  int64 // what is compared with
}

// maxFunction bounds the bytes of one function that are looked at.
const maxFunction = 64 << 10

// refs returns the uses of variables in a function, in the order of its code. It is empty for a
// function that does not exist.
func (c *code) refs(name string) []ref {
	text, at := c.text(name)
	if c.file.Machine == elf.EM_AARCH64 {
		return refsARM64(text, at)
	}
	return refsAMD64(text, at)
}

// text is the code of a function and its address, empty if there is none.
func (c *code) text(name string) ([]byte, uint64) {
	lo, hi, ok := c.fn(name)
	if !ok || hi <= lo {
		return nil, 0
	}
	return c.bytes(lo, min(hi-lo, maxFunction)), lo
}

func (c *code) bytes(addr, n uint64) []byte {
	for _, p := range c.file.Progs {
		if p.Type != elf.PT_LOAD || addr < p.Vaddr || addr-p.Vaddr >= p.Filesz {
			continue
		}
		b := make([]byte, min(n, p.Filesz-(addr-p.Vaddr)))
		k, _ := p.ReadAt(b, int64(addr-p.Vaddr))
		return b[:k]
	}
	return nil
}

// constants returns the constants that a function compares with.
func (c *code) constants(name string) (all []uint64) {
	text, _ := c.text(name)
	if c.file.Machine == elf.EM_AARCH64 {
		for ; len(text) >= 4; text = text[4:] {
			if w := binary.LittleEndian.Uint32(text); w&0x7fc0001f == 0x7100001f { // CMP rn, #imm
				all = append(all, uint64(w>>10&0xfff))
			}
		}
		return all
	}
	for len(text) > 0 {
		in, err := x86asm.Decode(text, 64)
		if err != nil || in.Len == 0 {
			return all
		}
		if imm, ok := in.Args[1].(x86asm.Imm); ok && in.Op == x86asm.CMP {
			all = append(all, uint64(imm))
		}
		text = text[in.Len:]
	}
	return all
}

func only(refs []ref, u use) []ref {
	var kept []ref
	for _, r := range refs {
		if r.use == u {
			kept = append(kept, r)
		}
	}
	return kept
}

// refsAMD64 finds operands relative to the program counter.
func refsAMD64(text []byte, pc uint64) (refs []ref) {
	for len(text) > 0 {
		in, err := x86asm.Decode(text, 64)
		n := in.Len
		if err != nil || n == 0 {
			n = 1 // data between instructions
		} else {
			refs = appendAMD64(refs, in, pc+uint64(n))
		}
		text, pc = text[n:], pc+uint64(n)
	}
	return refs
}

func appendAMD64(refs []ref, in x86asm.Inst, next uint64) []ref {
	for i, a := range in.Args {
		m, ok := a.(x86asm.Mem)
		if !ok || m.Base != x86asm.RIP {
			continue
		}
		r := ref{addr: next + uint64(m.Disp), size: in.MemBytes}
		switch {
		case in.Op == x86asm.LEA:
			r.use = address
		case in.Op == x86asm.CMP:
			r.use = compare
			if imm, ok := in.Args[1].(x86asm.Imm); ok {
				r.imm = int64(imm)
			}
		case i == 0:
			r.use = store
		}
		refs = append(refs, r)
	}
	return refs
}

// arm64 follows the registers that hold an address. Instructions are decoded here and not by
// x/arch: its arm64asm keeps the immediates of memory operands to itself.
type arm64 struct {
	refs []ref
	base map[uint32]uint64 // register -> address in it
	lea  map[uint32]int    // register -> index in refs of what put a whole address into it
}

func refsARM64(text []byte, pc uint64) []ref {
	a := &arm64{base: make(map[uint32]uint64), lea: make(map[uint32]int)}
	for ; len(text) >= 4; text, pc = text[4:], pc+4 {
		a.step(binary.LittleEndian.Uint32(text), pc)
	}
	return a.refs
}

// step decodes one instruction (Arm Architecture Reference Manual, C4.1).
func (a *arm64) step(w uint32, pc uint64) {
	rd, rn := w&31, w>>5&31
	switch {
	case w&0x9f000000 == 0x90000000: // ADRP rd, page
		page := int64(int32(w<<8)>>13)<<2 | int64(w>>29&3)
		a.base[rd] = pc&^0xfff + uint64(page<<12)
		delete(a.lea, rd)
	case w&0xffc00000 == 0x91000000: // ADD rd, rn, #imm
		if b, ok := a.base[rn]; ok {
			a.base[rd] = b + uint64(w>>10&0xfff)
			a.lea[rd] = len(a.refs)
			a.refs = append(a.refs, ref{addr: a.base[rd], use: address})
		}
	case w&0x3f000000 == 0x39000000: // LDR, STR rt, [rn, #imm]
		a.access(rd, rn, ref{addr: uint64(w>>10&0xfff) << (w >> 30), use: loadOrStore(w>>22&3 != 0), size: 1 << (w >> 30)})
	case w&0x3fbffc00 == 0x089ffc00: // LDAR, STLR rt, [rn]
		a.access(rd, rn, ref{use: loadOrStore(w&(1<<22) != 0), size: 4 << (w >> 30 & 1)})
	case w&0xffc00000 == 0xa9400000: // LDP rt, rt2, [rn, #imm]
		imm := uint64(int64(int32(w<<10)>>25) * 8)
		b := a.base[rn]
		a.access(rd, rn, ref{addr: imm, use: load})
		if b != 0 {
			a.refs = append(a.refs, ref{addr: b + imm + 8, use: load})
		}
		a.forget(w >> 10 & 31)
	}
}

func loadOrStore(isLoad bool) use {
	if isLoad {
		return load
	}
	return store
}

// access notes a load or store at the address in rn plus r.addr.
func (a *arm64) access(rt, rn uint32, r ref) {
	if b, ok := a.base[rn]; ok {
		if i, ok := a.lea[rn]; ok && r.addr == 0 {
			a.refs[i].use, a.refs[i].size = r.use, r.size
		} else {
			r.addr += b
			a.refs = append(a.refs, r)
		}
	}
	if r.use == load {
		a.forget(rt)
	}
}

func (a *arm64) forget(reg uint32) {
	delete(a.base, reg)
	delete(a.lea, reg)
}
