package fold

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// The same samples make the same file, in whatever order a map has those of one weight.
func TestProfileIsReproducible(t *testing.T) {
	var first []byte
	for range 5 {
		var samples []sample.Sample
		for i := range 40 {
			samples = append(samples, sample.Sample{Weight: 10, Goid: uint64(i % 3), State: sample.State([]string{"select", "sleep"}[i%2]),
				Created: program.at("main.main", uint64(9+i/20)), Labels: []sample.Label{{Key: "k", Value: fmt.Sprint(i % 10)}},
				Curg: []uint64{program.at("main.work", 16), program.at("runtime.goexit.abi0", 1)}})
		}
		var b bytes.Buffer
		if err := build(t, Keep{Wall: true, Goroutines: true}, samples...).WriteUncompressed(&b); err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = b.Bytes()
		}
		if !bytes.Equal(b.Bytes(), first) {
			t.Fatal("another file of the same samples")
		}
	}
}

// BenchmarkProfile makes a profile of 50,000 samples, each of a request of its own.
func BenchmarkProfile(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		x := NewBuilder(program, Keep{Wall: true})
		for i := range 50000 {
			x.Add(&sample.Sample{Weight: int64(i%977 + 1), State: "select", Goid: uint64(i), Labels: []sample.Label{
				{Key: "request", Value: fmt.Sprint(i)}, {Key: "endpoint", Value: "/a"}},
				Curg: []uint64{program.at("main.work", uint64(16+i%500)), program.at("main.main", 16), program.at("runtime.goexit.abi0", 1)}})
		}
		b.StartTimer()
		x.Profile()
	}
}
