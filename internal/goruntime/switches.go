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
	Mcall     uint64 // a thread leaves its goroutine: the branch of runtime.mcall that all calls take (runtime/asm_*.s)
	Schedule  uint64 // a thread looks for a goroutine: the begin of runtime.schedule
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
	if s.Gogo, err = c.branch("runtime.gogo", jumps); err != nil {
		return s, err
	}
	if s.Mcall, err = c.branch("runtime.mcall", differs); err != nil {
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

// branches are the instructions of both architectures that branch is after: as decoded, and as a word without its distance.
type branches struct {
	amd64       x86asm.Op
	arm64, mask uint32
}

var (
	jumps   = branches{x86asm.JMP, 0x14000000, 0xfc000000} // B
	differs = branches{x86asm.JNE, 0x54000001, 0xff00001f} // B.NE
)

// branch is where the first direct branch of such a kind is in a function.
func (c *code) branch(name string, kind branches) (uint64, error) {
	text, _, offset, err := c.function(name)
	if err != nil {
		return 0, err
	}
	for at := 0; at < len(text); {
		n, found := 4, false
		if c.file.Machine == elf.EM_AARCH64 {
			found = at+4 <= len(text) && binary.LittleEndian.Uint32(text[at:])&kind.mask == kind.arm64
		} else {
			in, err := x86asm.Decode(text[at:], 64)
			if err != nil || in.Len == 0 {
				return 0, fmt.Errorf("function %s: its code cannot be read at +%#x: %w", name, at, err)
			}
			_, direct := in.Args[0].(x86asm.Rel)
			n, found = in.Len, in.Op == kind.amd64 && direct
		}
		if found {
			return offset + uint64(at), nil
		}
		at += n
	}
	return 0, fmt.Errorf("function %s: it has no such branch as it is to have", name)
}
