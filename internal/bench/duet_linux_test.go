package bench

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// twice is a package whose benchmarks do their work a number of times; setup is what each process does besides, of which nothing is an
// operation's.
const twice = `package x

import (
	"os"
	"testing"
)

var sink uint32

func work(n int) {
	for i := range n {
		sink = sink*31 + uint32(i)
	}
}

func TestMain(m *testing.M) {
	work(SETUP)
	os.Exit(m.Run())
}

func BenchmarkX(b *testing.B) {
	b.Run("of a-2", func(b *testing.B) {
		for range b.N {
			work(TIMES)
		}
	})
	b.Run("of a", func(b *testing.B) { b.Fatal("not this one") })
	b.Run("fails", func(b *testing.B) { b.Fatal("no luck") })
}
`

func version(t *testing.T, times, setup string) *Side {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "x")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("TIMES", times, "SETUP", setup).Replace(twice)
	for name, text := range map[string]string{"x_test.go": text, "go.mod": "module example.com/x\n\ngo 1.24\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Open(t.Context(), dir, Options{Layouts: 1, Work: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// printed is a benchmark's name as go test prints it.
func printed(name string) string {
	if procs := runtime.GOMAXPROCS(0); procs > 1 {
		name += "-" + strconv.Itoa(procs)
	}
	return name
}

// Side by side what takes half as long again is seen as that, whatever a process does before it, and however its name ends.
func TestDuet(t *testing.T) {
	cpus, err := CPUs()
	if err != nil || len(cpus) == 0 {
		t.Fatalf("%v %v", cpus, err)
	}
	base, new := version(t, "100_000", "30_000_000"), version(t, "150_000", "90_000_000")
	d := Duet{Benchmark: printed("BenchmarkX/of_a-2"), Ops: 2000, CPU: cpus[len(cpus)-1]}
	took, err := d.Run(t.Context(), base, new)
	if err != nil {
		t.Fatal(err)
	}
	if ratio := took[1] / took[0]; ratio < 1.25 || ratio > 1.75 {
		t.Errorf("%v: %.2f times", took, ratio)
	}
	for name, want := range map[string]string{
		"BenchmarkX/fails": "no luck", "BenchmarkX/no_such": "by itself",
	} {
		d.Benchmark, d.Ops = printed(name), 2
		if _, err := d.Run(t.Context(), base, base); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Nothing runs on when it is over.
func TestDuetEnds(t *testing.T) {
	cpus, err := CPUs()
	if err != nil {
		t.Fatal(err)
	}
	s := version(t, "1_000_000", "0")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err = Duet{Benchmark: printed("BenchmarkX/of_a-2"), Ops: 1_000_000_000, CPU: cpus[0]}.Run(ctx, s, s)
	if err == nil {
		t.Error("it has ended by itself")
	}
}
