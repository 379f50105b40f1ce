package export

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/cost"
	"github.com/mayfly-profiler/mayfly/internal/samples/hostile"
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
	if err := writeFolded(&got, small(), Options{}); err != nil {
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
	if err := writePprof(&b, small(), Options{}); err != nil {
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
		"a.speedscope.json": "speedscope", "a.json": "pprof",
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
		if err := writeFolded(io.Discard, p, Options{}); err != nil {
			t.Fatal(err)
		}
	})
}

// All that a program waits for is in the column wall: it was left out of a wall recording's folded stacks.
func TestFoldedHasTheWaiting(t *testing.T) {
	p := hostile.New(4, "request")
	for _, tt := range []struct {
		o    Options
		want string
	}{
		{Options{}, "main.f 8000000\n"},
		{Options{Column: "cpu"}, "main.f 4000000\n"},
		{Options{Labels: []string{"go.state", "none"}}, "go.state=IO wait;none=(none);main.f 4000000\n" +
			"go.state=running;none=(none);main.f 4000000\n"},
		{Options{Column: "samples", Labels: []string{"go.id"}}, "go.id=0;main.f 4\n"},
	} {
		var got bytes.Buffer
		if err := writeFolded(&got, p, tt.o); err != nil || got.String() != tt.want {
			t.Errorf("%+v: %q, %v, want %q", tt.o, got.String(), err, tt.want)
		}
	}
}

// Profiles of other tools have everything that may be missing.
func TestFoldedOfOthers(t *testing.T) {
	for name, want := range map[string]string{
		"no stacks":       "[no stack] 22\nmain.f1 42\n",
		"one name":        "main.f1;main.f0 26\nmain.f2;main.f1 46\n", // without a default the last column, not one without a name
		"no such default": "main.f1;main.f0 24\nmain.f2;main.f1 44\n",
		"bare locations":  "[unknown];[libc.so.6] 22\ndo_write.isra.0;[unknown] 42\n",
		"none":            "",
	} {
		var got bytes.Buffer
		if err := writeFolded(&got, hostile.Others()[name], Options{}); err != nil || got.String() != want {
			t.Errorf("%s: %q, %v, want %q", name, got.String(), err, want)
		}
	}
	var got bytes.Buffer
	err := writeFolded(&got, hostile.Others()["no stacks"], Options{Labels: []string{"k"}})
	if want := "k=(none);[no stack] 22\nk=(none);main.f1 42\n"; err != nil || got.String() != want {
		t.Errorf("%q, %v, want %q", got.String(), err, want)
	}
	got.Reset()
	p := hostile.Others()["labels"]
	p.Sample[2].NumUnit["latency"] = []string{"seconds"} // the same number, and another value
	err = writeFolded(&got, p, Options{Labels: []string{"latency", "two", "both"}})
	if want := "latency=5 milliseconds;two=y,x;both=text;main.f1;main.f0 1\nlatency=5 milliseconds;two=y,x;both=text;main.f2;main.f1 42\n" +
		"latency=5 seconds;two=y,x;both=text;main.f1;main.f0 21\n"; err != nil || got.String() != want {
		t.Errorf("%q, %v, want %q", got.String(), err, want)
	}
}

// Sums that no format can hold are refused by those that have sums, and nothing at all by those whose viewers refuse it.
func TestRefused(t *testing.T) {
	timeline := hostile.New(8, "request")
	timeline.Sample = append(timeline.Sample, hostile.Wide().Sample...)
	for _, s := range timeline.Sample[8:] {
		s.Value, s.Location = []int64{0, 0, 0, s.Value[1], s.Value[1]}, timeline.Location
	}
	for _, f := range Formats() {
		p := hostile.Wide()
		if f.Timeline {
			p = timeline
		}
		err := f.Write(io.Discard, p, Options{})
		if adds := f.Name != "pprof" && f.Name != "otlp"; errors.Is(err, errRange) != adds || !adds && err != nil {
			t.Errorf("%s: %v", f.Name, err)
		}
		err = f.Write(io.Discard, hostile.Others()["none"], Options{})
		if shows := f.Name == "speedscope" || f.Name == "firefox"; errors.Is(err, errNoColumns) != shows || !shows && !f.Timeline && err != nil {
			t.Errorf("%s of nothing: %v", f.Name, err)
		}
	}
}

func TestColumnThatIsNone(t *testing.T) {
	for _, f := range Formats() {
		err := f.Write(io.Discard, hostile.New(4, "request"), Options{Column: "heap"})
		if err == nil || !strings.Contains(err.Error(), `column "heap": not one of this profile's: samples, cpu`) {
			t.Errorf("%s: %v", f.Name, err)
		}
	}
}

func TestPprofShowsAColumn(t *testing.T) {
	in, out := hostile.New(4, "request"), new(bytes.Buffer)
	if err := writePprof(out, in, Options{Column: "blocked"}); err != nil {
		t.Fatal(err)
	}
	p, err := profile.Parse(out)
	if err != nil || p.DefaultSampleType != "blocked" || len(p.Sample) != 4 || p.TimeNanos != in.TimeNanos {
		t.Errorf("%v: %v", err, p)
	}
	if in.DefaultSampleType == "blocked" {
		t.Error("the caller's profile has changed")
	}
}

func TestFoldedSums(t *testing.T) {
	for name, p := range recordings(t) {
		for c, column := range p.SampleType {
			if indexOf(p, column.Type) != c || column.Type == "" {
				continue // nobody can ask for it
			}
			var b bytes.Buffer
			if err := writeFolded(&b, p, Options{Column: column.Type}); err != nil {
				t.Fatal(err)
			}
			sum, want := int64(0), int64(0)
			for line := range strings.Lines(b.String()) {
				n, err := strconv.ParseInt(line[strings.LastIndexByte(line, ' ')+1:len(line)-1], 10, 64)
				if err != nil {
					t.Fatal(err)
				}
				sum += n
			}
			for _, s := range p.Sample {
				want += s.Value[c]
			}
			if sum != want || !utf8.Valid(b.Bytes()) {
				t.Errorf("%s, %s: %d, want %d", name, column.Type, sum, want)
			}
		}
	}
}

// What compresses has tables of 0.8 MB, which are not made anew for each profile of a stream.
func TestTablesAreKept(t *testing.T) {
	const times = 40
	p := &profile.Profile{SampleType: []*profile.ValueType{{Type: "cpu", Unit: "nanoseconds"}}}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range times {
		if err := ForFile("x.pb.gz").Write(io.Discard, p, Options{}); err != nil {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	if each := (after.TotalAlloc - before.TotalAlloc) / times; each > 500<<10 {
		t.Errorf("%d bytes for a profile that is empty", each)
	}
}
