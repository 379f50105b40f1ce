package goruntime

// Where calls of a function begin and end, in its code. A call begins behind the stack check: when
// the stack is too small, morestack copies it and starts the function again from its first
// instruction. It ends at each return instruction; a panic leaves it without one.

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"golang.org/x/arch/x86/x86asm"
)

// Function is a function's code in its executable's file.
type Function struct {
	Name   string
	Addr   uint64   // where it begins, link-time
	Offset uint64   // where that is in the file
	Begin  uint64   // file offset of the instruction behind the stack check
	Ends   []uint64 // file offsets of the return instructions
}

// ErrNoFunction is wrapped by the error about a function that an executable does not have, by itself:
// the compiler may have inlined it everywhere.
var ErrNoFunction = errors.New("no such function")

// FindFunction disassembles a function of the executable r. find returns the link-time range of a
// function by its name, as symbolize.Binary.Func does. The code is believed whole or not at all: a
// return that was overlooked would be a call that never ends.
func FindFunction(r io.ReaderAt, find func(name string) (lo, hi uint64, ok bool), name string) (Function, error) {
	f := Function{Name: name}
	file, err := OpenELF(r)
	if err != nil {
		return f, fmt.Errorf("function %s: %w", name, err)
	}
	text, lo, offset, err := (&code{file: file, fn: find}).function(name)
	if err != nil {
		return f, err
	}
	begin, ends, err := bounds(file.Machine, text)
	if err == nil && len(ends) == 0 {
		err = errNoReturn
	}
	if err != nil {
		return f, fmt.Errorf("function %s: %w", name, err)
	}
	f.Addr, f.Offset, f.Begin = lo, offset, offset+begin
	for _, e := range ends {
		f.Ends = append(f.Ends, offset+e)
	}
	return f, nil
}

// function returns the code of a function, its address and where it is in the file.
func (c *code) function(name string) (text []byte, lo, offset uint64, err error) {
	lo, hi, ok := c.fn(name)
	if !ok || hi <= lo {
		return nil, 0, 0, fmt.Errorf("function %s: %w in the executable, or it is inlined everywhere", name, ErrNoFunction)
	}
	text = c.bytes(lo, min(hi-lo, maxFunction))
	if uint64(len(text)) != hi-lo {
		return nil, 0, 0, fmt.Errorf("function %s: its code is not in the file, or longer than %d bytes", name, maxFunction)
	}
	return text, lo, c.offset(lo), nil
}

// offset is where an address is in the file.
func (c *code) offset(addr uint64) uint64 {
	for _, p := range c.file.Progs {
		if p.Type == elf.PT_LOAD && addr >= p.Vaddr && addr-p.Vaddr < p.Filesz {
			return addr - p.Vaddr + p.Off
		}
	}
	return 0
}

var errNoReturn = errors.New("it has no return instruction")

// prologue is how many instructions the stack check is among (cmd/internal/obj/x86/obj6.go and
// cmd/internal/obj/arm64/obj7.go, stacksplit).
const prologue = 12

// bounds is where a function's code is behind its stack check, 0 without one, and its return instructions; some have none.
func bounds(m elf.Machine, text []byte) (begin uint64, ends []uint64, err error) {
	if m == elf.EM_AARCH64 {
		return boundsARM64(text)
	}
	return boundsAMD64(text)
}

// boundsAMD64 looks for CMPQ SP, 16(R14), or another register that holds the stack pointer less the
// frame's size, and the JBE behind it.
func boundsAMD64(text []byte) (begin uint64, ends []uint64, err error) {
	guarded := false
	for at, n := 0, 0; at < len(text); n++ {
		in, err := x86asm.Decode(text[at:], 64)
		if err != nil || in.Len == 0 {
			return 0, nil, fmt.Errorf("its code cannot be read at +%#x: %w", at, err)
		}
		switch m, _ := in.Args[1].(x86asm.Mem); {
		case in.Op == x86asm.RET:
			ends = append(ends, uint64(at))
		case in.Op == x86asm.CMP && m.Base == x86asm.R14 && m.Disp == 16 && n < prologue:
			guarded = true
		case in.Op == x86asm.JBE && guarded && begin == 0:
			begin = uint64(at + in.Len)
		}
		at += in.Len
	}
	return begin, ends, nil
}

// Instructions of arm64 (Arm Architecture Reference Manual, C6.2).
const (
	loadGuard = 0xf9400b90 // LDR X16, [X28, #16]: g.stackguard0
	branchLS  = 0x54000009 // B.LS, without its distance
	branch    = 0xff00001f
	retARM64  = 0xd65f03c0
)

// boundsARM64 looks for the load of g.stackguard0 and the B.LS behind it.
func boundsARM64(text []byte) (begin uint64, ends []uint64, err error) {
	guarded := false
	for at := 0; at+4 <= len(text); at += 4 {
		switch w := binary.LittleEndian.Uint32(text[at:]); {
		case w == retARM64:
			ends = append(ends, uint64(at))
		case w == loadGuard && at < 4*prologue:
			guarded = true
		case w&branch == branchLS && guarded && begin == 0:
			begin = uint64(at + 4)
		}
	}
	return begin, ends, nil
}
