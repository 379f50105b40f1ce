package fold

import (
	"testing"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// Frames of arm64 have the return address at their lower end, and below it the caller's frame pointer. (SPDelta of the program here is the
// lowest byte of an address.)
func TestStacksARM64(t *testing.T) {
	at := program.at
	root := at("runtime.goexit.abi0", 1)
	words := func(from uint64, w ...uint64) sample.Words { return sample.Words{At: from, Words: w} }
	leaf := func(sp, bp, lr uint64) sample.Leaf { return sample.Leaf{SP: sp, BP: bp, LR: lr, Valid: true} }
	for _, tt := range []struct {
		name string
		s    sample.Sample
		want string
	}{
		{"assembly with a frame, its caller's chain",
			sample.Sample{User: []uint64{at("main.work", 0x20), root}, Leaf: leaf(0x7000, 0x6ff8, 0),
				Rest: sample.Rest{From: 1, Resumed: 0x7018, Words: words(0x7000, at("main.main", 0x30), 0, 0, 0, root)}},
			"main.work < main.main"},
		{"unwound",
			sample.Sample{User: []uint64{at("main.work", 0x20)}, Leaf: leaf(0x7000, 0xdeadbeef, 0),
				Rest: sample.Rest{From: 1, Words: words(0x7000, at("main.main", 0x10), 0, 0, 0, root)}},
			"main.work < main.main"},
		{"unwound from a leaf without a frame",
			sample.Sample{User: []uint64{at("runtime.memmove", 0)}, Leaf: leaf(0x7000, 0xdeadbeef, at("main.work", 0x10)),
				Rest: sample.Rest{From: 1, Words: words(0x7000, at("main.main", 0x20), 0, root)}},
			"runtime.memmove < main.work < main.main"},
		{"a leaf keeps its return address in the register, and something else in the word for it",
			sample.Sample{User: []uint64{at("main.work", 0x20), root}, Leaf: leaf(0x7000, 0x6ff8, at("main.main", 0x10)),
				Rest: sample.Rest{From: 1, Words: words(0x7000, 0xdeadbeef, 0, 0, 0, root)}},
			"main.work < main.main"},
		{"the register has the last call of the leaf's own",
			sample.Sample{User: []uint64{at("main.work", 0x20), root}, Leaf: leaf(0x7000, 0x6ff8, at("main.work", 0x10)),
				Rest: sample.Rest{From: 1, Words: words(0x7000, 0xdeadbeef, 0, 0, 0, root)}},
			"main.work < [truncated]"},
		{"unwound from a caller",
			sample.Sample{User: []uint64{at("main.work", 0x20), at("main.main", 0x10)}, Leaf: leaf(0x7000, 0x6ff8, 0),
				Rest: sample.Rest{From: 2, Words: words(0x7008, 0, 0, 0, root)}},
			"main.work < main.main"},
		{"what a function has that is called without a frame is not known",
			sample.Sample{User: []uint64{at("runtime.memmove", 0), at("main.main", 0x10)}, Leaf: leaf(0x7000, 0x6ff8, 0),
				Rest: sample.Rest{From: 2, Words: words(0x7008, 0, 0, 0, root)}},
			"runtime.memmove < main.main < [truncated]"},
		{"generated code is not left",
			sample.Sample{User: []uint64{generated}, Leaf: leaf(0x7000, 0x7010, 0),
				Rest: sample.Rest{From: 1, Words: words(0x7000, 0, 0, 0x7030, at("main.main", 0x10))}},
			"[jit] < [truncated]"},
		{"a leaf without a frame was interrupted",
			sample.Sample{User: []uint64{at("runtime.sigpanic", 0x20)}, Leaf: leaf(0x7000, 0xdeadbeef, 0),
				Rest: sample.Rest{From: 1, Words: words(0x7000, at("runtime.memmove", 0), 0, 0, 0, at("main.main", 0x10), 0, root)}},
			"runtime.sigpanic < runtime.memmove < main.main"},
		{"a signal interrupted a leaf without a frame",
			sample.Sample{User: []uint64{at("runtime.sigtramp.abi0", 0x10), at("runtime.memmove", 0)}, Leaf: leaf(0x9000, 0x8ff8, 0),
				Rest: sample.Rest{From: 2, Interrupted: true, BP: 0x6ff8, LR: at("main.work", 0x10),
					Words: words(0x7000, at("main.main", 0x20), 0, root)}},
			"runtime.sigtramp.abi0 < runtime.memmove < main.work < main.main"},
		{"a signal interrupted a function with a frame, whose link register is that of a call that is over",
			sample.Sample{User: []uint64{at("runtime.memmove", 0), at("main.work", 0x10)},
				Leaf: leaf(0x9000, 0x8ff8, at("runtime.sigtramp.abi0", 0x10)),
				Rest: sample.Rest{From: 2, Interrupted: true, BP: 0x6ff8, LR: at("main.work", 0x10),
					Words: words(0x7000, at("main.main", 0x20), 0, root)}},
			"runtime.memmove < runtime.sigtramp.abi0 < main.work < main.main"},
		{"a signal interrupted mcall before the switch",
			sample.Sample{User: []uint64{at("runtime.sigtramp.abi0", 0x10), at("runtime.mcall", 0)}, Leaf: leaf(0x9000, 0x8ff8, 0),
				Rest: sample.Rest{From: 2, Interrupted: true, LR: at("main.main", 0x20), Words: words(0x7000, root)}},
			"runtime.sigtramp.abi0 < runtime.mcall < main.main"},
		{"systemstack after the switch has a frame on the stack that it left",
			sample.Sample{User: []uint64{at("runtime.systemstack.abi0", 0x10), at("main.main", 0x30), root},
				Curg: []uint64{at("main.work", 0x10), root},
				Leaf: sample.Leaf{SP: 0x9000, BP: 0x7008, Words: [2]uint64{at("runtime.mstart.abi0", 0x10)}, Valid: true}},
			"runtime.systemstack.abi0 < main.main"},
		{"systemstack before it switches back is the goroutine already",
			sample.Sample{User: []uint64{at("runtime.systemstack.abi0", 0x10), at("main.main", 0x30), root},
				Leaf: sample.Leaf{SP: 0x9000, BP: 0x7008, Words: [2]uint64{at("runtime.mstart.abi0", 0x10)}, Valid: true}},
			"runtime.systemstack.abi0 < main.main"},
		{"no caller is known",
			sample.Sample{User: []uint64{at("runtime.sigtramp.abi0", 0x10), at("runtime.memmove", 0)}, Leaf: leaf(0x9000, 0x8ff8, 0),
				Rest: sample.Rest{From: 2, Interrupted: true, Words: words(0x7000, 0)}},
			"runtime.sigtramp.abi0 < runtime.memmove < [truncated]"},
		{"a function without a frame was preempted, and is not in the chain",
			sample.Sample{User: []uint64{at("runtime.mcall", 0), at("runtime.memmove", 0), at("main.main", 0x30), root},
				Leaf: leaf(0x7000, 0x6ff8, at("main.work", 0x10)),
				Rest: sample.Rest{From: 1, Resumed: 0x7008, Words: words(0x7000, at("runtime.asyncPreempt.abi0", 0x20), 0x7038,
					at("runtime.memmove", 0), 0, 0, 0, at("main.work", 0x10), 0x7100)}},
			"runtime.mcall < main.work < runtime.asyncPreempt.abi0 < runtime.memmove < main.work < main.main"},
		{"before the prologue",
			sample.Sample{User: []uint64{at("runtime.schedule", 0x20), at("runtime.mcall", 0x10)},
				Curg: []uint64{at("main.work", 0), root}, CurgLeaf: leaf(0x7000, 0x7010, at("main.main", 0x20))},
			"runtime.schedule < runtime.mcall < main.work < main.main"},
		{"deep",
			sample.Sample{Loss: sample.Truncated, User: []uint64{at("main.work", 0x20), at("main.work", 0x20)},
				Top: words(0x8000, 7, 0x8020, at("main.work", 0x10), 0, 0x8030, at("main.main", 0x20), 0, root)},
			"main.work < main.work < [truncated] < main.work < main.main"},
		{"deep, above what a call that is over has left",
			sample.Sample{Loss: sample.Truncated, User: []uint64{at("main.work", 0x20)},
				Top: words(0x8000, 0x8020, at("main.work", 0x18), 0, 0, 0x8030, at("main.main", 0x20), 0, root)},
			"main.work < [truncated] < main.main"},
	} {
		b := NewBuilder(program, Keep{})
		b.arch = "arm64"
		tt.s.Goid, tt.s.Weight = 1, 1000
		b.Add(&tt.s)
		if got := stack(b.Profile().Sample[0]); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.name, got, tt.want)
		}
	}
}
