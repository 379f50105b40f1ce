package goruntime

// How code uses the fields of structs: which register holds the struct, at what distance the field
// is, and which register it goes to or comes from.

import (
	"debug/elf"
	"encoding/binary"

	"golang.org/x/arch/x86/x86asm"
)

// access is one use of memory at a distance from a register.
type access struct {
	base int   // register
	reg  int   // that is loaded or stored, noReg for a constant
	disp int32 // bytes
	size int   // bytes
	use  use
}

const noReg = -1

// gReg is the register that holds g in Go code (the Go internal ABI).
func (c *code) gReg() int {
	if c.file.Machine == elf.EM_AARCH64 {
		return 28
	}
	return int(x86asm.R14)
}

// accesses returns the uses of memory in a function, in the order of its code, but for those of its
// own stack.
func (c *code) accesses(name string) []access {
	text, _ := c.text(name)
	if c.file.Machine == elf.EM_AARCH64 {
		return accessesARM64(text)
	}
	return accessesAMD64(text)
}

func accessesAMD64(text []byte) (all []access) {
	for len(text) > 0 {
		in, err := x86asm.Decode(text, 64)
		if err != nil || in.Len == 0 {
			text = text[1:] // data between instructions
			continue
		}
		text = text[in.Len:]
		if a, ok := accessAMD64(in); ok {
			all = append(all, a)
		}
	}
	return all
}

func accessAMD64(in x86asm.Inst) (a access, ok bool) {
	for i, arg := range in.Args[:2] {
		m, ok := arg.(x86asm.Mem)
		if !ok || in.Op == x86asm.LEA || in.Op == x86asm.NOP || m.Index != 0 || m.Base == 0 || m.Base == x86asm.RIP || m.Base == x86asm.RSP {
			continue
		}
		a = access{base: int(m.Base), reg: noReg, disp: int32(m.Disp), size: in.MemBytes, use: load}
		if r, ok := in.Args[1-i].(x86asm.Reg); ok {
			a.reg = wide(r)
		}
		switch {
		case in.Op == x86asm.CMP || in.Op == x86asm.TEST:
			a.use = compare
		case i == 0:
			a.use = store
		}
		return a, true
	}
	return a, false
}

// wide is the whole register that r is a part of.
func wide(r x86asm.Reg) int {
	switch {
	case r >= x86asm.EAX && r <= x86asm.R15L:
		return int(r - x86asm.EAX + x86asm.RAX)
	case r >= x86asm.AX && r <= x86asm.R15W:
		return int(r - x86asm.AX + x86asm.RAX)
	case r >= x86asm.SPB && r <= x86asm.R15B:
		return int(r - x86asm.SPB + x86asm.RSP)
	case r >= x86asm.AL && r <= x86asm.BL:
		return int(r - x86asm.AL + x86asm.RAX)
	}
	return int(r)
}

// accessesARM64 decodes loads and stores (Arm Architecture Reference Manual, C4.1.94). Where an
// atomic one has its address computed before, by ADD, the sum counts as its distance.
func accessesARM64(text []byte) (all []access) {
	type sum struct {
		base int
		disp int32
	}
	sums := map[int]sum{}
	for ; len(text) >= 4; text = text[4:] {
		w := binary.LittleEndian.Uint32(text)
		rt, rn := int(w&31), int(w>>5&31)
		at, summed := sums[rn]
		if !summed {
			at = sum{base: rn}
		}
		size, isLoad := 1<<(w>>30), loadOrStore(w>>22&3 != 0)
		switch {
		case w&0xffc00000 == 0x91000000: // ADD rd, rn, #imm
			sums[rt] = sum{rn, int32(w >> 10 & 0xfff)}
			continue
		case w&0x3f000000 == 0x39000000: // LDR, STR rt, [rn, #imm]
			all = append(all, access{at.base, zero(rt), at.disp + int32(w>>10&0xfff)<<(w>>30), size, isLoad})
		case w&0x3f200c00 == 0x38000000: // LDUR, STUR rt, [rn, #imm]
			all = append(all, access{at.base, zero(rt), at.disp + int32(w<<11)>>23, size, isLoad})
		case w&0x3fbffc00 == 0x089ffc00: // LDAR, STLR rt, [rn]
			all = append(all, access{at.base, zero(rt), at.disp, size, loadOrStore(w&(1<<22) != 0)})
		case w&0x7e000000 == 0x28000000: // LDP, STP rt, rt2, [rn, #imm]
			size = 4 << (w >> 31)
			disp := at.disp + int32(w<<10)>>25*int32(size)
			isLoad = loadOrStore(w&(1<<22) != 0)
			all = append(all, access{at.base, zero(rt), disp, size, isLoad},
				access{at.base, zero(int(w >> 10 & 31)), disp + int32(size), size, isLoad})
			delete(sums, int(w>>10&31))
		default:
			continue
		}
		if isLoad == load {
			delete(sums, rt)
		}
	}
	return all
}

// zero is noReg for the register that reads as zero.
func zero(r int) int {
	if r == 31 {
		return noReg
	}
	return r
}
