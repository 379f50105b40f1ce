//go:build amd64

package bpf_test

import (
	"bytes"
	"compress/gzip"
	"encoding/gob"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/export"
	"github.com/mayfly-profiler/mayfly/internal/fold"
	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/internal/source/bpf"
	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
	"github.com/mayfly-profiler/mayfly/symbolize"
)

var update = flag.Bool("update", false, "record anew and write the golden files")

// A replay is what a kernel once said about a real program, and all that symbolization said about
// the addresses in it. It goes through the real decoder and builder without kernel and program.
type replay struct {
	Records [][]byte
	Symbols table
}

// table answers from what was recorded.
type table struct {
	User, Kernel map[uint64]answer
	Delta        map[uint64]int32 // of addresses in Go code
	Go           map[uint64]bool
	Entries      map[uint64]bool // addresses at which functions begin
	Maps         []symbolize.Mapping
}

type answer struct {
	Frames  []symbolize.Frame
	Mapping int
}

func (x *table) Resolve(dst []symbolize.Frame, pc uint64) ([]symbolize.Frame, int) {
	a := x.User[pc]
	return append(dst, a.Frames...), a.Mapping
}

func (x *table) ResolveKernel(dst []symbolize.Frame, pc uint64) ([]symbolize.Frame, int) {
	a := x.Kernel[pc]
	return append(dst, a.Frames...), a.Mapping
}

func (x *table) SPDelta(pc uint64) (int32, bool) { d, ok := x.Delta[pc]; return d, ok }
func (x *table) InGo(pc uint64) bool             { return x.Go[pc] }
func (x *table) Entry(pc uint64) bool            { return x.Entries[pc] }
func (x *table) Mappings() []symbolize.Mapping   { return x.Maps }

// tap records what the real symbols answer.
type tap struct {
	fold.Symbols
	table
}

func (x *tap) Resolve(dst []symbolize.Frame, pc uint64) ([]symbolize.Frame, int) {
	frames, m := x.Symbols.Resolve(nil, pc)
	x.User[pc] = answer{frames, m}
	return append(dst, frames...), m
}

func (x *tap) ResolveKernel(dst []symbolize.Frame, pc uint64) ([]symbolize.Frame, int) {
	frames, m := x.Symbols.ResolveKernel(nil, pc)
	x.Kernel[pc] = answer{frames, m}
	return append(dst, frames...), m
}

func (x *tap) SPDelta(pc uint64) (int32, bool) {
	d, ok := x.Symbols.SPDelta(pc)
	if ok {
		x.Delta[pc] = d
	}
	return d, ok
}

func (x *tap) InGo(pc uint64) bool {
	x.Go[pc] = x.Symbols.InGo(pc)
	return x.Go[pc]
}

func (x *tap) Entry(pc uint64) bool {
	if x.Symbols.Entry(pc) {
		x.Entries[pc] = true
	}
	return x.Entries[pc]
}

func (x *tap) Mappings() []symbolize.Mapping {
	x.Maps = x.Symbols.Mappings()
	return x.Maps
}

// The server of Go 1.21 and 1.23 shows stacks that run on into a parked goroutine (mcall keeps the
// frame pointer up to Go 1.24), 1.26 those that do not.
func TestReplay(t *testing.T) {
	for _, v := range []string{"1.21.13", "1.23.12", "1.26.8"} {
		t.Run(v, func(t *testing.T) {
			base := filepath.Join("testdata", "server-go"+v)
			if *update {
				capture(t, v, base+".replay.gz")
			}
			var r replay
			readGob(t, base+".replay.gz", &r)
			got := folded(t, &r.Symbols, r.Records)
			if *update {
				if err := os.WriteFile(base+".folded", got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(base + ".folded")
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("stacks differ from %s.folded:\n%s", base, got)
			}
		})
	}
}

// folded puts the records through decoder and builder. A sample weighs 1.
func folded(t *testing.T, s fold.Symbols, records [][]byte) []byte {
	t.Helper()
	b := fold.NewBuilder(s, fold.Keep{})
	var sm sample.Sample
	for _, raw := range records {
		if err := bpf.Decode(raw, &sm); err != nil {
			t.Fatal(err)
		}
		sm.Count, sm.Weight = 1, 1
		b.Add(&sm)
	}
	if y := b.Tally(); y.Unrooted*200 > y.Rooted {
		t.Errorf("%d of %d goroutine stacks do not end at their root", y.Unrooted, y.Rooted+y.Unrooted)
	}
	format, err := export.ByName("folded")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := format.Write(&out, b.Profile(), export.Options{}); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// capture samples the server built with Go version v.
func capture(t *testing.T, v, file string) {
	build := target.Build{Go: v}
	if v == "1.26.8" {
		build.Go = ""
	}
	x := target.Start(t, target.Compile(t, "server", build), "-clients", "4")
	p, err := proc.Open(x.PID)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	exe, err := p.Exe()
	if err != nil {
		t.Fatal(err)
	}
	defer exe.Close()
	layout, err := goruntime.Read(exe)
	if err != nil {
		t.Fatal(err)
	}
	source, err := bpf.Open(p, bpf.Options{Rate: 499, Layout: layout})
	target.Need(t, err)
	defer source.Close()
	symbols, err := symbolize.New(p, symbolize.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer symbols.Close()
	r := replay{}
	if r.Records, err = source.Capture(500 * time.Millisecond); err != nil {
		t.Fatal(err)
	}
	y := &tap{Symbols: symbols, table: table{User: map[uint64]answer{}, Kernel: map[uint64]answer{}, Delta: map[uint64]int32{},
		Go: map[uint64]bool{}, Entries: map[uint64]bool{}}}
	folded(t, y, r.Records)
	for i := range y.Maps { // of this machine
		y.Maps[i].File = filepath.Base(y.Maps[i].File)
	}
	for pc, a := range y.User {
		for i := range a.Frames {
			a.Frames[i].File = filepath.Base(a.Frames[i].File)
		}
		y.User[pc] = a
	}
	r.Symbols = y.table
	writeGob(t, file, &r)
}

func readGob(t *testing.T, file string, v any) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err == nil {
		err = gob.NewDecoder(z).Decode(v)
	}
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

func writeGob(t *testing.T, file string, v any) {
	t.Helper()
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err := gob.NewEncoder(z).Encode(v); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}
