package fold

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/cost"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// draft draws samples from bytes. Most addresses lie in the made-up program, which is where walks go wrong.
type draft struct{ rest []byte }

func (d *draft) byte() byte {
	if len(d.rest) == 0 {
		return 0
	}
	b := d.rest[0]
	d.rest = d.rest[1:]
	return b
}

// few is a number below n.
func (d *draft) few(n int) int { return int(d.byte()) % n }

func (d *draft) word() uint64 {
	switch k := d.byte(); k {
	case 0xff:
		var b [8]byte
		d.rest = d.rest[copy(b[:], d.rest):]
		return binary.LittleEndian.Uint64(b[:])
	case 0xfe:
		return generated + uint64(d.byte())
	case 0xfd:
		return 0x7000 + 8*uint64(d.byte()) // on the stack
	default:
		return uint64(k%32)<<12 + uint64(d.byte())
	}
}

// words are as many as the next byte says, or that many times 16 of the same.
func (d *draft) words() (w []uint64) {
	n := int(d.byte())
	if n < 128 {
		for range n % 16 {
			w = append(w, d.word())
		}
		return w
	}
	same := d.word()
	for range 16 * (n % 64) {
		w = append(w, same)
	}
	return w
}

func (d *draft) leaf() sample.Leaf {
	return sample.Leaf{SP: d.word(), BP: d.word(), LR: d.word(), Words: [2]uint64{d.word(), d.word()}, Valid: d.few(2) == 0}
}

func (d *draft) sample() sample.Sample {
	states := []sample.State{sample.Running, sample.Preempted, sample.Runnable, sample.Syscall, "IO wait", "x\xff"}
	s := sample.Sample{
		Time: int64(d.byte()) << 24, Weight: int64(d.byte()) << 12, Count: int64(d.few(3)), Stolen: int64(d.few(3)) << 12,
		Goid: uint64(d.few(5)), Parent: uint64(d.few(3)), State: states[d.few(len(states))], Loss: sample.Loss(d.few(6)),
		User: d.words(), Curg: d.words(), Kernel: d.words(), Leaf: d.leaf(), CurgLeaf: d.leaf(), Idle: d.few(2) == 0, LabelsLost: d.few(9) == 1,
		Rest: sample.Rest{Words: sample.Words{At: d.word(), Words: d.words()}, OfCurg: d.few(2) == 0, From: d.few(20) - 2, Resumed: d.word()},
		Top:  sample.Words{At: d.word(), Words: d.words()},
	}
	for range d.few(4) {
		s.Labels = append(s.Labels, sample.Label{Key: []string{"k", "go.id", "", "\xff"}[d.few(4)], Value: fmt.Sprint(d.byte())})
	}
	return s
}

// maxFuzzedFrames is what one sample may become: what a source sends, the callers that are unwound, and the synthetic roots.
const maxFuzzedFrames = 3*1024 + 2*maxUnwound

// FuzzBuilder folds any samples: no time is lost or made, and the profile is valid.
func FuzzBuilder(f *testing.F) {
	f.Add([]byte{}, byte(0))
	wrapper := []byte{1, 1, 1, 0, 1, 0, 0, 0, 1, 16, 4} // a stack of nothing but wrappers
	f.Add(wrapper, byte(0x20))
	deep := bytes.Repeat([]byte{0xff, 2, 0x10}, 40) // the same frame again and again, everywhere
	f.Add(deep, byte(0x22))
	jit := []byte{1, 1, 1, 0, 1, 0, 0, 0, 1, 0xfe, 1}
	f.Add(append(jit, bytes.Repeat([]byte{0xbf, 2, 0x10}, 80)...), byte(0x12))
	f.Fuzz(func(t *testing.T, data []byte, keep byte) {
		if len(data) > 1<<14 {
			return
		}
		cost.Small.Hold(t, func() { foldDraft(t, &draft{data}, keep) })
	})
}

func foldDraft(t *testing.T, d *draft, keep byte) {
	k := Keep{Goroutines: keep&1 != 0, Wall: keep&2 != 0, Timeline: keep&6 == 6, Idle: true, TableToo: keep&10 == 10}
	b := NewBuilder(program, k)
	if b.arch = "amd64"; keep&16 != 0 {
		b.arch = "arm64"
	}
	var cpu, wall int64
	for len(d.rest) > 0 {
		s := d.sample()
		b.Add(&s)
		if n := len(b.stack); n > maxFuzzedFrames {
			t.Fatalf("%d frames of %+v", n, s)
		}
		if s.State == sample.Running {
			cpu += s.Weight
		}
		wall += s.Weight + s.Stolen
	}
	tally := b.Tally()
	p := b.Profile()
	if err := p.CheckValid(); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := p.WriteUncompressed(&out); err != nil {
		t.Fatal(err)
	}
	if _, err := profile.ParseUncompressed(out.Bytes()); err != nil {
		t.Fatal(err)
	}
	var sum int64
	for _, s := range p.Sample {
		sum += s.Value[len(s.Value)-1]
		if len(s.Location) == 0 {
			t.Fatalf("a sample without a stack: %v", s)
		}
	}
	if k.Wall && sum > wall || tally.CPU > cpu+wall {
		t.Fatalf("%d ns of samples became %d", wall, sum)
	}
}
