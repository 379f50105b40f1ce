package export

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/cost"
)

var update = flag.Bool("update", false, "write the golden files")

// small is a profile with an inlined frame, a label, a kernel frame and a name that needs care.
func small() *profile.Profile {
	fn := func(id uint64, name string) *profile.Function { return &profile.Function{ID: id, Name: name} }
	work, inl, mainF, sys := fn(1, "main.work"), fn(2, "main.inlined"), fn(3, "main.main"), fn(4, "do_sys;poll")
	m := &profile.Mapping{ID: 1, Start: 0x400000, Limit: 0x500000, File: "/bin/x", HasFunctions: true}
	l1 := &profile.Location{ID: 1, Mapping: m, Address: 0x400010, Line: []profile.Line{{Function: inl, Line: 3}, {Function: work, Line: 7}}}
	l2 := &profile.Location{ID: 2, Mapping: m, Address: 0x400020, Line: []profile.Line{{Function: mainF, Line: 9}}}
	l3 := &profile.Location{ID: 3, Address: 0xffffffff81000000, Line: []profile.Line{{Function: sys}}}
	return &profile.Profile{
		SampleType:        []*profile.ValueType{{Type: "samples", Unit: "count"}, {Type: "cpu", Unit: "nanoseconds"}},
		DefaultSampleType: "cpu", PeriodType: &profile.ValueType{Type: "cpu", Unit: "nanoseconds"}, Period: 1001001,
		Sample: []*profile.Sample{
			{Location: []*profile.Location{l1, l2}, Value: []int64{2, 2000}, Label: map[string][]string{"endpoint": {"/a"}}},
			{Location: []*profile.Location{l1, l2}, Value: []int64{1, 1000}, Label: map[string][]string{"endpoint": {"/b"}}},
			{Location: []*profile.Location{l3, l2}, Value: []int64{1, 500}},
		},
		Mapping: []*profile.Mapping{m}, Location: []*profile.Location{l1, l2, l3}, Function: []*profile.Function{work, inl, mainF, sys},
	}
}

func TestFoldedIsRootFirst(t *testing.T) {
	var got bytes.Buffer
	if err := writeFolded(&got, small()); err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "small.folded")
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("folded:\n%swant:\n%s", got.Bytes(), want)
	}
}

func TestPprofReadsBack(t *testing.T) {
	var b bytes.Buffer
	if err := writePprof(&b, small()); err != nil {
		t.Fatal(err)
	}
	p, err := profile.Parse(&b)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Sample) != 3 || p.DefaultSampleType != "cpu" || p.Sample[0].Label["endpoint"][0] != "/a" {
		t.Errorf("read back: %v", p)
	}
}

func TestFormatByNameAndExtension(t *testing.T) {
	for path, want := range map[string]string{"a.pb.gz": "pprof", "x/B.FOLDED": "folded", "a.collapsed": "folded",
		"plain": "pprof", "a.txt": "pprof"} {
		if got := ForFile(path).Name; got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	for _, f := range Formats() {
		if g, err := ByName(f.Name); err != nil || g.Name != f.Name {
			t.Errorf("%s: %v", f.Name, err)
		}
	}
	if _, err := ByName("jfr"); err == nil {
		t.Error("unknown format accepted")
	}
}

// Stacks share their frames in a profile, and as text they do not: 100 MB here, of which none is kept.
func TestFoldedIsWrittenLineByLine(t *testing.T) {
	p := &profile.Profile{SampleType: []*profile.ValueType{{Type: "cpu", Unit: "nanoseconds"}}}
	var frames []*profile.Location
	for i := range 100 {
		frames = append(frames, &profile.Location{Line: []profile.Line{{Function: &profile.Function{Name: fmt.Sprintf("main.%0100d", i)}}}})
	}
	for i := range int64(10_000) {
		stack := slices.Concat([]*profile.Location{frames[i%100], frames[i/100]}, frames)
		p.Sample = append(p.Sample, &profile.Sample{Location: stack, Value: []int64{1}})
	}
	cost.Limit{Bytes: 8 << 20, Time: time.Minute}.Hold(t, func() {
		if err := writeFolded(io.Discard, p); err != nil {
			t.Fatal(err)
		}
	})
}
