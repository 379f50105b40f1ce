package goruntime

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"golang.org/x/arch/x86/x86asm"
)

// Switches are where the runtime's code says which goroutine a thread runs, and with which labels, as offsets in the file. Each
// is an instruction that the kernel emulates for a uprobe, where there is one at that place: a branch, or a push.
type Switches struct {
	Gogo      uint64 // a thread goes on with a goroutine: the jump of runtime.gogo (1.19 to 1.27: runtime/asm_*.s)
	Schedule  uint64 // a thread has left its goroutine: the begin of runtime.schedule
	Again     uint64 // the instruction behind that
	SetLabels uint64 // the begin of runtime/pprof.runtime_setProfLabel; 0: the program sets no labels
}

// FindSwitches finds them in the executable r. find is FindFunction's.
func FindSwitches(r io.ReaderAt, find func(name string) (lo, hi uint64, ok bool)) (s Switches, err error) {
	file, err := OpenELF(r)
	if err != nil {
		return s, fmt.Errorf("switches of goroutines: %w", err)
	}
	c := &code{file: file, fn: find}
	if s.Gogo, err = c.jump("runtime.gogo"); err != nil {
		return s, err
	}
	if s.Schedule, s.Again, err = c.begin("runtime.schedule"); err != nil {
		return s, err
	}
	if s.SetLabels, _, err = c.begin("runtime/pprof.runtime_setProfLabel"); errors.Is(err, ErrNoFunction) {
		err = nil
	}
	return s, err
}

// begin is where a function begins: at the branch of its stack check, where arguments still are in registers, and the instruction
// behind that; or at its first instruction, and 0.
func (c *code) begin(name string) (at, next uint64, err error) {
	text, _, offset, err := c.function(name)
	if err != nil {
		return 0, 0, err
	}
	begin, _, err := bounds(c.file.Machine, text)
	switch {
	case err != nil:
		return 0, 0, fmt.Errorf("function %s: %w", name, err)
	case begin == 0:
		return offset, 0, nil
	case c.file.Machine == elf.EM_AARCH64:
		at = begin - 4
	case begin >= 6 && text[begin-6] == 0x0f: // JBE with a distance of four bytes
		at = begin - 6
	default:
		at = begin - 2
	}
	return offset + at, offset + begin, nil
}

// jump is where the first direct jump of a function is.
func (c *code) jump(name string) (uint64, error) {
	text, _, offset, err := c.function(name)
	if err != nil {
		return 0, err
	}
	for at := 0; at < len(text); {
		n, jumps := 4, false
		if c.file.Machine == elf.EM_AARCH64 {
			jumps = at+4 <= len(text) && binary.LittleEndian.Uint32(text[at:])>>26 == 5 // B
		} else {
			in, err := x86asm.Decode(text[at:], 64)
			if err != nil || in.Len == 0 {
				return 0, fmt.Errorf("function %s: its code cannot be read at +%#x: %w", name, at, err)
			}
			_, direct := in.Args[0].(x86asm.Rel)
			n, jumps = in.Len, in.Op == x86asm.JMP && direct
		}
		if jumps {
			return offset + uint64(at), nil
		}
		at += n
	}
	return 0, fmt.Errorf("function %s: it does not jump to another one", name)
}
