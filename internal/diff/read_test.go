package diff

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/cost"
	"github.com/mayfly-profiler/mayfly/internal/samples"
	"github.com/mayfly-profiler/mayfly/internal/samples/hostile"
)

// tiny is a valid profile, not compressed: three samples of 3, 1 and 1 ms a second apart, the first in main.f with the label k=v.
func tiny(t testing.TB) []byte {
	b, err := os.ReadFile("../samples/testdata/tiny.pb")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// FuzzRead reads anything and compares it with itself in every way.
func FuzzRead(f *testing.F) {
	f.Add(tiny(f))
	f.Add([]byte{0x1f, 0x8b, 0, 0})
	for _, p := range []*profile.Profile{hostile.New(300, "k"), hostile.New(30, strings.Repeat("k", 1<<10))} {
		var z bytes.Buffer
		if err := p.Write(&z); err != nil {
			f.Fatal(err)
		}
		f.Add(z.Bytes())
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		cost.Limit{Bytes: 4 << 30, Time: time.Minute}.Hold(t, func() {
			p, err := samples.Read(bytes.NewReader(in), "fuzz")
			streamed, serr := ReduceFrom(bytes.NewReader(in), "fuzz", Options{})
			if err == nil && serr == nil {
				whole := Reduce(p, "fuzz", Options{})
				for i, c := range whole.cols {
					if c.total != streamed.cols[i].total || c.count != streamed.cols[i].count || len(whole.rows) != len(streamed.rows) {
						t.Fatalf("read at once %+v, one by one %+v", c, streamed.cols[i])
					}
				}
			}
			if err != nil {
				return
			}
			for _, by := range []string{"func", "line", "state", "label:k,state"} {
				b, _ := ParseBy(by)
				for _, o := range []Options{{By: b}, {By: b, Cumulative: true, Per: "k"}, {By: b, Ops: 3}} {
					a := Reduce(p, "a", o)
					r, err := Compare([]*Profile{a}, []*Profile{a}, o)
					if err != nil {
						t.Fatal(err)
					}
					if r.Outcome == Regressed || r.Outcome == Improved {
						t.Fatalf("a profile %s against itself", r.Outcome)
					}
					for _, format := range Formats() {
						var out bytes.Buffer
						d := &Document{Result: r, Before: []*profile.Profile{p.Copy()}, After: []*profile.Profile{p.Copy()}}
						if err := format.Write(&out, d); err != nil && format.Name != "pprof" {
							t.Fatalf("%s: %v", format.Name, err)
						}
					}
				}
			}
		})
	})
}

const someBudget = `limits:
  - func: encoding/json.*
    max_share: 12%
  - label: endpoint=/checkout
    column: blocked
    max: 30ms
  - total: cpu
    max_increase: 3%
`

func FuzzBudget(f *testing.F) {
	f.Add([]byte(someBudget))
	f.Add([]byte("limits: [{func: '[', max: 1s}]"))
	f.Add([]byte("a: &a [*a]"))
	f.Fuzz(func(t *testing.T, in []byte) {
		cost.Small.Hold(t, func() {
			b, err := ReadBudget(bytes.NewReader(in), "fuzz")
			if err != nil {
				if strings.ContainsAny(err.Error(), "\n\r") {
					t.Fatalf("%q: two lines", err)
				}
				return
			}
			p, err := samples.Read(bytes.NewReader(tiny(t)), "tiny")
			if err != nil {
				t.Fatal(err)
			}
			load := func(by By) ([]*Profile, []*Profile, error) {
				r := []*Profile{Reduce(p, "tiny", Options{By: by})}
				return r, r, nil
			}
			limits, err := b.Check(load, Options{})
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range limits {
				if l.Result == "" || l.String() == "" || l.measured() == "" {
					t.Fatalf("%+v", l)
				}
			}
		})
	})
}

func TestBudgetRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                                 "empty",
		"limits: []":                       "not between",
		"limit: [{func: f, max: 1s}]":      "field limit not found",
		"limits: [{func: f, maximum: 1s}]": "field maximum not found",
		"limits: [{func: f}]":              "one of max",
		"limits: [{max: 1s}]":              "one of func",
		"limits: [{func: f, max: 1s, max_share: 3%}]": "one of max",
		"limits: [{func: f, max: 12}]":                "no duration",
		"limits: [{func: f, max_share: x}]":           "no share",
		"limits: [{label: x, max: 1s}]":               "KEY=VALUE",
		"limits: [{func: 'a[', max: 1s}]":             "syntax error",
		"limits: [{total: cpu, max_share: 1%}]":       "100 %",
		"limits: [{func: f, max: -1s}]":               "below zero",
	} {
		_, err := ReadBudget(strings.NewReader(text), "b.yml")
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "budget b.yml: ") {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	b, err := ReadBudget(strings.NewReader(someBudget), "b.yml")
	if err != nil || len(b.Limits) != 3 || b.Limits[0].MaxShare != 0.12 || b.Limits[1].Max != 30e6 {
		t.Errorf("%+v, %v", b, err)
	}
}
