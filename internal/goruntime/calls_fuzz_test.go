package goruntime

import (
	"bytes"
	"testing"

	"github.com/mayfly-profiler/mayfly/internal/cost"
)

// FuzzBounds disassembles anything: probes lie inside of the code, where they were found.
func FuzzBounds(f *testing.F) {
	f.Add([]byte{0x49, 0x3b, 0x66, 0x10, 0x76, 0x01, 0x90, 0xc3}) // cmp rsp, [r14+16]; jbe; nop; ret
	f.Add(bytes.Repeat([]byte{0x66}, 4096))                       // prefixes without an instruction
	f.Add(bytes.Repeat([]byte{0xc3}, 1<<12))
	f.Fuzz(func(t *testing.T, text []byte) {
		cost.Small.Hold(t, func() {
			for _, bounds := range []func([]byte) (uint64, []uint64, error){boundsAMD64, boundsARM64} {
				begin, ends, err := bounds(text)
				if err != nil {
					continue
				}
				if begin > uint64(len(text)) || len(ends) > 0 && ends[len(ends)-1] >= uint64(len(text)) {
					t.Fatalf("%d bytes of code: begins at %d, ends at %d", len(text), begin, ends)
				}
			}
		})
	})
}
