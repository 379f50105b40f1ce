package exectrace

import (
	"bytes"
	"compress/gzip"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/cost"
	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

// small is the bound of what a fuzzed trace of some tens of kilobytes may take. The library that decodes it allocates as much for each
// byte as its events are long.
var small = cost.Limit{Bytes: 256 << 20, Time: 20 * time.Second}

var tight = Options{Bytes: 1 << 20, Pieces: 50_000, Goroutines: 5_000, Stacks: 5_000}

// FuzzRead has traces from anywhere read, and the requests in them found.
func FuzzRead(f *testing.F) {
	for _, r := range recordings(f)[:2] {
		f.Add(r.trace)
		f.Add(r.trace[:len(r.trace)/3])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		small.Hold(t, func() {
			x, err := Read(bytes.NewReader(data), tight)
			if err != nil {
				if !errors.Is(err, ErrNotTrace) || strings.Contains(err.Error(), "\n") {
					t.Fatal(err)
				}
				return
			}
			tile(t, x)
			x.Find(timeline.Selector{})
			x.Find(timeline.Selector{By: timeline.TraceTask})
		})
	})
}

// bomb is 64 MiB of zeros behind a header, compressed.
func bomb(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	_, err := z.Write([]byte(header))
	zeros := make([]byte, 1<<20)
	for range 64 {
		_, werr := z.Write(zeros)
		err = errors.Join(err, werr)
	}
	check(t, errors.Join(err, z.Close()))
	return b.Bytes()
}

// TestBomb reads what is a hundred times larger than its file, and repeats a true trace without end.
func TestBomb(t *testing.T) {
	r := recordings(t)[3]
	again := bytes.Repeat(r.trace[len(header):], 200)
	for name, data := range map[string][]byte{"zeros": bomb(t), "repeated": append([]byte(header), again...)} {
		small.Hold(t, func() {
			x, err := Read(bytes.NewReader(data), tight)
			if err == nil && x.Unread == "" {
				t.Errorf("%s: read to its end", name)
			}
		})
	}
}

// BenchmarkRead reads traces of Go 1.26.
func BenchmarkRead(b *testing.B) {
	r := recordings(b)[4]
	b.SetBytes(int64(len(r.trace)))
	events := 0
	for b.Loop() {
		events += read(b, r.trace, Options{}).Events
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(events), "ns/event")
}
