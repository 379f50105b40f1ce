package bench

import (
	"testing"
)

var sink uint32

func input() []byte { return make([]byte, 4096) }

func BenchmarkChecksum(b *testing.B) {
	data := input()
	for range b.N {
		sink += checksum(data) + mix(data)
	}
}

func BenchmarkMix(b *testing.B) {
	data := input()
	for range b.N {
		sink += mix(data)
	}
}

func BenchmarkParallel(b *testing.B) {
	b.RunParallel(func(pb *testing.PB) {
		data := input()
		sum := uint32(0)
		for pb.Next() {
			sum += mix(data)
		}
	})
}

// BenchmarkGoroutine leaves the work to a goroutine whose stack has no benchmark.
func BenchmarkGoroutine(b *testing.B) {
	done := make(chan uint32)
	go worker(b.N, done)
	sink += <-done
}

func worker(n int, done chan<- uint32) {
	data, sum := input(), uint32(0)
	for range n {
		sum += mix(data)
	}
	done <- sum
}

func BenchmarkSub(b *testing.B) {
	b.Run("closure", func(b *testing.B) {
		data := input()
		for range b.N {
			sink += mix(data)
		}
	})
	b.Run("named", benchmarkNamed)
}

func benchmarkNamed(b *testing.B) {
	data := input()
	for range b.N {
		sink += mix(data)
	}
}
