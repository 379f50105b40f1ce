package relabel

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/cost"
	"github.com/mayfly-profiler/mayfly/internal/samples/hostile"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// labelled is a profile with a sample for each of the texts, of a label and a number; the i-th weighs weights(i).
func labelled(texts []string, weight func(i int) int64) *profile.Profile {
	p := hostile.New(0, "")
	p.Comments = []string{"mayfly.version=1", "#mayfly.lifetimes=all 1 ended; user=\"secret\"", "mayfly.label_traps=user=secret"}
	for i, text := range texts {
		w := weight(i)
		p.Sample = append(p.Sample, &profile.Sample{Location: p.Location, Value: []int64{1, w, 0, 0, w},
			Label: map[string][]string{"user": {text}}, NumLabel: map[string][]int64{"n": {int64(i)}},
			NumUnit: map[string][]string{"n": {"bytes"}}})
	}
	return p
}

func numbered(n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprintf("u%03d", i))
	}
	return list
}

func one(int) int64 { return 1 }

// left are the labels that left, each with the weight that it has in the last column.
func left(p *profile.Profile) map[string]int64 {
	got := make(map[string]int64)
	for _, s := range p.Sample {
		w := s.Value[len(s.Value)-1]
		for key, values := range s.Label {
			got[key+"="+strings.Join(values, "|")] += w
		}
		for key, values := range s.NumLabel {
			got[fmt.Sprint(key, "=", values, " ", s.NumUnit[key])] += w
		}
		if len(s.Label)+len(s.NumLabel) == 0 {
			got[""] += w
		}
	}
	return got
}

func TestApply(t *testing.T) {
	long := strings.Repeat("x", 5) + "é" // the sixth byte is within the last character
	for _, tt := range []struct {
		name    string
		rules   Rules
		texts   []string
		weight  func(int) int64
		want    map[string]int64
		refused []Refusal
	}{
		{"everything", Rules{}, []string{"a", "b"}, one,
			map[string]int64{"user=a": 1, "user=b": 1, "n=[0] [bytes]": 1, "n=[1] [bytes]": 1}, nil},
		{"deny", Rules{Deny: []string{"n"}}, []string{"a", "b", "a"}, one,
			map[string]int64{"user=a": 2, "user=b": 1}, []Refusal{{"n", 3, Denied}}},
		{"allow", Rules{Allow: []string{"user", "n"}, Deny: []string{"user"}}, []string{"a"}, one,
			map[string]int64{"n=[0] [bytes]": 1}, []Refusal{{"user", 1, Denied}}},
		{"allow others", Rules{Allow: []string{"x"}}, []string{"a", "b"}, one,
			map[string]int64{"": 2}, []Refusal{{"n", 2, NotAllowed}, {"user", 2, NotAllowed}}},
		{"hash", Rules{Deny: []string{"n"}, Hash: []string{"user"}}, []string{"a", "a"}, one,
			map[string]int64{"user=ca978112ca1bbdca": 2}, []Refusal{{"n", 2, Denied}}},
		{"hash with salt", Rules{Deny: []string{"n"}, Hash: []string{"user"}, Salt: []byte("s")}, []string{"a"}, one,
			map[string]int64{"user=4cf6829aa93728e8": 1}, []Refusal{{"n", 1, Denied}}},
		{"truncate", Rules{Deny: []string{"n"}, Truncate: 6}, []string{long, "xxxxxx", "xxxxx"}, one,
			map[string]int64{"user=xxxxx": 2, "user=xxxxxx": 1}, []Refusal{{"n", 3, Denied}, {"user", 1, Truncated}}},
		{"few heavy values", Rules{Values: 2, ValuesOf: map[string]int{"n": 1}}, []string{"a", "b", "c", "d", "a"},
			func(i int) int64 { return []int64{5, 9, 1, 1, 2}[i] },
			map[string]int64{"user=a": 7, "user=b": 9, "user=(other)": 2, "n=[1] [bytes]": 9},
			[]Refusal{{"n", 4, TooMany}, {"user", 2, TooMany}}},
		{"ids", Rules{Values: 2}, []string{"a", "b", "c", "d", "e"}, one,
			map[string]int64{"user=(other)": 5}, []Refusal{{"n", 5, TooMany}, {"user", 5, TooMany}}},
		{"all of a key", Rules{Values: 2, ValuesOf: map[string]int{"user": 0}}, []string{"a", "b", "c"}, one,
			map[string]int64{"user=a": 1, "user=b": 1, "user=c": 1, "n=[0] [bytes]": 1, "n=[1] [bytes]": 1}, []Refusal{{"n", 1, TooMany}}},
		{"the default", Default(), numbered(101), one, map[string]int64{"user=(other)": 1, "user=u000": 1}, nil},
	} {
		p := labelled(tt.texts, tt.weight)
		before := p.Copy()
		out, refused := tt.rules.Apply(p)
		got := left(out)
		if tt.name == "the default" { // 100 of them leave, and one not
			if len(out.Sample) != 101 || got["user=(other)"] != 1 || got["user=u000"] != 1 || len(refused) != 2 {
				t.Errorf("%s: %v, %v", tt.name, got, refused)
			}
			continue
		}
		if !maps.Equal(got, tt.want) || !slices.Equal(refused, tt.refused) {
			t.Errorf("%s: %v, %v, want %v, %v", tt.name, got, refused, tt.want, tt.refused)
		}
		if out.CheckValid() != nil || !slices.Equal(out.Comments, []string{"mayfly.version=1"}) {
			t.Errorf("%s: %v, comments %q", tt.name, out.CheckValid(), out.Comments)
		}
		if !reflect.DeepEqual(p.Sample[0].Label, before.Sample[0].Label) || len(p.Sample) != len(before.Sample) || len(p.Comments) != 3 {
			t.Errorf("%s: the profile has changed", tt.name)
		}
	}
}

// What tells samples apart is short, however long what they have in common is; a long key stays.
func TestLong(t *testing.T) {
	p := labelled(numbered(500), one)
	long := strings.Repeat("k", 1<<20)
	for _, s := range p.Sample {
		s.Label["k"], s.Label[long] = []string{long}, []string{"v"}
	}
	cost.Small.Hold(t, func() {
		r := Rules{}
		out, refused := r.Apply(p)
		if len(out.Sample) != 500 || out.Sample[499].Label["k"][0] != long || !slices.Equal(refused, []Refusal{{long, 1, LongKey}}) {
			t.Errorf("%d samples, %d refused", len(out.Sample), len(refused))
		}
	})
}

// Values of one key have an order, keys have none.
func TestOrder(t *testing.T) {
	p := labelled([]string{"", "", ""}, one)
	for i, values := range [][]string{{"a", "b"}, {"b", "a"}, {"a", "b"}} {
		p.Sample[i].NumLabel, p.Sample[i].NumUnit = nil, nil
		p.Sample[i].Label = map[string][]string{"x": values, "y": {"a"}, "z": {"b"}}
	}
	r := Rules{}
	if out, _ := r.Apply(p); len(out.Sample) != 2 || out.Sample[0].Value[0] != 2 {
		t.Errorf("%v", left(out))
	}
}

// A hash of a number is a text; the same number in another unit is another one.
func TestHashOfNumbers(t *testing.T) {
	p := labelled([]string{"a", "a"}, one)
	p.Sample[1].NumLabel["n"][0], p.Sample[1].NumUnit["n"][0] = 0, "seconds"
	r := Rules{Hash: []string{"n"}}
	out, _ := r.Apply(p)
	if len(out.Sample) != 2 || out.Sample[0].NumLabel != nil || len(out.Sample[0].Label["n"][0]) != 16 {
		t.Errorf("%v", left(out))
	}
}

// A timeline becomes a profile by default: what tells single intervals and goroutines apart does not leave.
func TestTimeline(t *testing.T) {
	p := hostile.New(1000, "request")
	p.Sample = append(p.Sample, &profile.Sample{Location: p.Location, Value: make([]int64, 5), // an exact call
		NumLabel: map[string][]int64{sample.KeyCall: {1}}})
	r := Default()
	out, refused := r.Apply(p)
	want := map[string]int64{"go.state=running": 1e9, "go.state=IO wait": 1e9, "request=(other)": 2e9}
	if got := left(out); len(out.Sample) != 2 || !maps.Equal(got, want) {
		t.Errorf("%d samples: %v, want %v", len(out.Sample), got, want)
	}
	if len(refused) != 4 || refused[0] != (Refusal{sample.KeyEnd, 1000, Moments}) || refused[2] != (Refusal{sample.KeyID, 250, Moments}) {
		t.Errorf("%v", refused)
	}
	r.Timeline = true
	if out, refused = r.Apply(p); len(out.Sample) != 1000 || len(refused) != 1 || out.Sample[7].NumLabel[sample.KeyID][0] != 1 {
		t.Errorf("%d samples, %v", len(out.Sample), refused)
	}
}

// FuzzApply keeps what there is of each column, and no key has more values than rules say.
func FuzzApply(f *testing.F) {
	hostile.Fuzz(f, func(t *testing.T, p *profile.Profile) {
		r := Rules{Deny: []string{"k"}, Hash: []string{"v"}, Truncate: 7, Values: 3}
		out, _ := r.Apply(p)
		if err := out.CheckValid(); err != nil && p.CheckValid() == nil {
			t.Fatal(err)
		}
		values := make(map[string]map[string]bool)
		for _, s := range out.Sample {
			for key, texts := range s.Label {
				for _, text := range texts {
					if values[key] == nil {
						values[key] = make(map[string]bool)
					}
					values[key][text] = true
					if text != sample.OtherValue && key != "v" && len(text) > 7 {
						t.Fatalf("%s=%q", key, text)
					}
				}
			}
		}
		for key, of := range values {
			if key == "k" || len(of) > 2*(3+1) { // texts, and numbers that are hashed
				t.Fatalf("%q has %d values", key, len(of))
			}
		}
		for c := range p.SampleType {
			if a, b := sum(p, c), sum(out, c); a != b {
				t.Fatalf("column %d: %d, want %d", c, b, a)
			}
		}
	})
}

// sum is that of a column, modulo 2^64.
func sum(p *profile.Profile, column int) (n int64) {
	for _, s := range p.Sample {
		n += s.Value[column]
	}
	return n
}

// A text is cut between characters.
func TestCut(t *testing.T) {
	for most := 1; most < 12; most++ {
		r := Rules{Truncate: most}
		if got := r.cut("aé世\U0001f600b"); len(got) > most || !utf8.ValidString(got) || !strings.HasPrefix("aé世\U0001f600b", got) {
			t.Errorf("%d: %q", most, got)
		}
	}
	r := Rules{Truncate: 3}
	if got := r.cut("\x80\x80\x80\x80\x80\x80"); len(got) != 3 && len(got) != 0 {
		t.Errorf("no characters: %q", got)
	}
}
