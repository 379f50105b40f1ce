package fold

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/cost"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

func labelled(weight int64, kv ...string) sample.Sample {
	s := sample.Sample{Goid: 1, Weight: weight, State: "select", Curg: []uint64{program.at("runtime.gopark", 0x40),
		program.at("main.work", 0x40), program.at("runtime.goexit.abi0", 1)}}
	for i := 0; i < len(kv); i += 2 {
		s.Labels = append(s.Labels, sample.Label{Key: kv[i], Value: kv[i+1]})
	}
	return s
}

// What a program calls its labels changes nothing of what mayfly says: a goroutine that sleeps is not running.
func TestOwnKeys(t *testing.T) {
	b := NewBuilder(program, Keep{Wall: true, Goroutines: true})
	s := labelled(10, "end_timestamp_ns", "7", "go.id", "8", "go.state", "running", "gopher", "g", "user.go.state", "u")
	b.Add(&s)
	p := b.Profile()
	want := map[string]string{"go.state": "select", "user.end_timestamp_ns": "7", "user.go.id": "8", "user.go.state": "running",
		"gopher": "g", "user.user.go.state": "u"}
	got := map[string]string{}
	for k, v := range p.Sample[0].Label {
		got[k] = v[0]
	}
	if !maps.Equal(got, want) || p.Sample[0].NumLabel["go.id"][0] != 1 {
		t.Errorf("labels %v, %v", got, p.Sample[0].NumLabel)
	}
	reported := []string{"user.end_timestamp_ns", "user.go.id", "user.go.state", "user.user.go.state"}
	if !slices.Equal(b.Tally().Renamed, reported) {
		t.Errorf("reported %q", b.Tally().Renamed)
	}
}

// Everything in a string table is UTF-8, whatever the program has in labels, and paths and names.
func TestTidy(t *testing.T) {
	b := NewBuilder(program, Keep{Wall: true})
	for _, s := range []sample.Sample{labelled(10, "bad", "\xff\xfe", "b\xc3", "x"), labelled(20, "b\xc3", "1", "b\xc4", "2"),
		labelled(30, "good", "gr\u00fcn")} {
		b.Add(&s)
	}
	p := b.Profile()
	p.Mapping = append(p.Mapping, &profile.Mapping{ID: 99, File: "/tmp/\xff", BuildID: "\xfe"})
	p.Function[0].Name, p.Function[0].Filename = "main.\x80", "\x81.go"
	p.Comments = []string{"a\xffb"}
	if n := Tidy(p); n != 8 {
		t.Errorf("%d repaired", n)
	}
	var buf bytes.Buffer
	if err := p.WriteUncompressed(&buf); err != nil {
		t.Fatal(err)
	}
	q, err := profile.ParseUncompressed(buf.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range stringsOf(q) {
		if !utf8.ValidString(s) {
			t.Errorf("%q", s)
		}
	}
	if v := q.Sample[2].Label; v["bad"][0] != "\uFFFD" || v["b\uFFFD"][0] != "x" {
		t.Errorf("labels %q", v)
	}
	if v := q.Sample[1].Label; len(v) != 3 {
		t.Errorf("two keys became one: %q", v)
	}
	if v := q.Sample[0].Label["good"]; v[0] != "gr\u00fcn" {
		t.Errorf("%q", v)
	}
	if n := Tidy(q); n != 0 {
		t.Errorf("%d repaired again", n)
	}
}

// stringsOf are all strings of a profile.
func stringsOf(p *profile.Profile) (all []string) {
	all = append(all, p.Comments...)
	for _, m := range p.Mapping {
		all = append(all, m.File, m.BuildID)
	}
	for _, f := range p.Function {
		all = append(all, f.Name, f.SystemName, f.Filename)
	}
	for _, s := range p.Sample {
		for k, v := range s.Label {
			all = append(append(all, k), v...)
		}
	}
	return all
}

// Large labels are kept once, and cut where they are too much in all.
func TestWords(t *testing.T) {
	b := NewBuilder(program, Keep{Wall: true, Goroutines: true})
	large := strings.Repeat("x", 64<<10)
	for i := range 5000 {
		s := labelled(1, "k", strings.Clone(large))
		s.Goid = uint64(i + 1)
		b.Add(&s)
	}
	if b.words.bytes != len(large)+1 || len(b.folds) != 5000 {
		t.Errorf("%d bytes of labels in %d folds", b.words.bytes, len(b.folds))
	}
	for key := range b.folds {
		if len(key) > 200 {
			t.Fatalf("a key of %d bytes", len(key))
		}
	}
	for i := range 1100 { // 68.75 MiB
		s := labelled(1, "k", fmt.Sprint(i)+strings.Repeat("\u20ac", 64<<10/3))
		b.Add(&s)
	}
	if most := maxWords + 100*shortWord; b.words.bytes > most || b.tally.LabelsCut < 50 || b.tally.LabelsCut > 150 {
		t.Errorf("%d bytes, %d cut", b.words.bytes, b.tally.LabelsCut)
	}
	for _, w := range b.words.texts {
		if !utf8.ValidString(w) {
			t.Fatalf("cut within a character: %q", w[len(w)-5:])
		}
	}
}

// Labels differ by key and value, and a lost set is counted with its time.
func TestLabelKeys(t *testing.T) {
	lost := labelled(7)
	lost.LabelsLost = true
	cut := labelled(5, "a", "b")
	cut.LabelsTruncated = true
	b := NewBuilder(program, Keep{Wall: true})
	for _, s := range []sample.Sample{labelled(1, "a", "b"), labelled(1, "b", "a"), labelled(1), labelled(1, "a", "b", "c", "d"),
		labelled(1, "a", "bc", "", "d"), lost, cut} {
		b.Add(&s)
	}
	if y := b.Tally(); len(b.folds) != 5 || y.LabelsLost != 1 || y.LabelsLostTime != 7 || y.LabelsCut != 1 {
		t.Errorf("%d folds, %+v", len(b.folds), y)
	}
}

// A thread that works for no goroutine has no labels to lose.
func TestLabelsLostWithoutGoroutine(t *testing.T) {
	for names, want := range map[string]int64{
		"runtime.newstack main.work runtime.goexit.abi0": 7,
		"runtime.schedule runtime.mcall":                 0,
		"runtime.schedule runtime.mstart.abi0":           0,
	} {
		s := sample.Sample{State: sample.Running, Count: 1, Weight: 7, LabelsLost: true}
		for _, name := range strings.Fields(names) {
			s.User = append(s.User, program.at(name, 0x40))
		}
		b := NewBuilder(program, Keep{})
		b.Add(&s)
		if y := b.Tally(); y.LabelsLostTime != want {
			t.Errorf("%s: %d ns lost, want %d", names, y.LabelsLostTime, want)
		}
	}
}

func FuzzTidy(f *testing.F) {
	f.Add("key", "\xff\xfe")
	f.Add(strings.Repeat("go.", 1<<10), strings.Repeat("\xff", 1<<20))
	f.Fuzz(func(t *testing.T, key, value string) {
		cost.Small.Hold(t, func() {
			s := labelled(1, key, value)
			b := NewBuilder(program, Keep{Wall: true})
			b.Add(&s)
			p := b.Profile()
			Tidy(p)
			for _, s := range stringsOf(p) {
				if !utf8.ValidString(s) {
					t.Errorf("%q", s)
				}
			}
			if p.Sample[0].Label["go.state"][0] != "select" {
				t.Errorf("state %q", p.Sample[0].Label)
			}
		})
	})
}
