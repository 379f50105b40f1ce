package goruntime

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
	"unsafe"

	"github.com/mayfly-profiler/mayfly/internal/cost"
)

func raw(kv ...string) (set []RawLabel) {
	for i := 0; i < len(kv); i += 2 {
		set = append(set, RawLabel{[]byte(kv[i]), []byte(kv[i+1])})
	}
	return set
}

// Equal sets are one, small or large, and sets that differ in anything are two.
func TestIntern(t *testing.T) {
	s := NewLabelSets()
	large := strings.Repeat("x", 60<<10)
	seen := map[*LabelSet]string{}
	for _, kv := range [][]string{{}, {"a", "b"}, {"ab", ""}, {"", "ab"}, {"a", "b", "c", "d"}, {"k", large},
		{"k", large + "y"}, {"k" + large, ""}} {
		for _, truncated := range []bool{false, true} {
			name := fmt.Sprintf("%.20q %v", kv, truncated)
			set := s.Intern(raw(kv...), truncated)
			if other, ok := seen[set]; ok {
				t.Errorf("%s is %s", name, other)
			}
			seen[set] = name
			if again := s.Intern(raw(kv...), truncated); again != set {
				t.Errorf("%s is not itself", name)
			}
			var got []string
			for _, l := range set.Labels {
				got = append(got, l.Key, l.Value)
			}
			if set.Truncated != truncated || fmt.Sprint(got) != fmt.Sprint(kv) {
				t.Errorf("%s became %.40q, %v", name, got, set.Truncated)
			}
		}
	}
	if n := testing.AllocsPerRun(100, func() { s.Intern(raw("a", "b"), false) }); n > 3 { // raw's
		t.Errorf("%v allocations for a set that is known", n)
	}
}

// The text of a large set that somebody has is found again, although the set itself was forgotten.
func TestInternLarge(t *testing.T) {
	s := NewLabelSets()
	large := strings.Repeat("x", 60<<10)
	set := s.Intern(raw("k", large), false)
	for i := range 100 { // more than known holds
		s.Intern(raw("k", large, "n", fmt.Sprint(i)), false)
	}
	again := s.Intern(raw("k", large), false)
	if unsafe.StringData(again.Labels[0].Value) != unsafe.StringData(set.Labels[0].Value) {
		t.Error("a second copy of the same text")
	}
	runtime.KeepAlive(set)
}

// What is remembered of label sets has a bound in bytes, whatever their number and their size.
func TestInternBound(t *testing.T) {
	for _, size := range []int{1, 800} {
		s := NewLabelSets()
		filler, most := strings.Repeat("x", size), 0
		for i := range 20000 {
			value := fmt.Sprint(filler, i)
			set := s.Intern(raw("request", value), false)
			if l := set.Labels[0]; l.Key != "request" || l.Value != value {
				t.Fatalf("set %d: %v", i, set.Labels)
			}
			if len(s.known)*(setCost+size) > maxKnown {
				t.Fatalf("%d sets of %d bytes remembered", len(s.known), size)
			}
			most = max(most, s.held)
		}
		if most > maxKnown || most < maxKnown/2 {
			t.Errorf("at most %d bytes of label sets of %d bytes", most, size)
		}
	}
}

// Large sets beyond the limit are cut to a small part, between two characters, until others are gone.
func TestInternLimit(t *testing.T) {
	s := NewLabelSets()
	s.limit = 1 << 20
	large := func(i int) []RawLabel { return raw("k", fmt.Sprint(i)+strings.Repeat("\u00e4", 10<<10)) }
	var held []*LabelSet
	bytes, cut := 0, 0
	for i := range 200 {
		set := s.Intern(large(i), false)
		held = append(held, set)
		v := set.Labels[0].Value
		bytes += len(v)
		if set.Truncated {
			cut++
			if len(v) > smallText || len(v) < smallText-8 || !utf8.ValidString(v) {
				t.Fatalf("cut to %d bytes, ending %q", len(v), v[len(v)-4:])
			}
		}
	}
	if most := 1<<20 + 200*smallText; bytes > most || cut < 140 || cut > 160 {
		t.Errorf("%d bytes, %d cut", bytes, cut)
	}
	runtime.KeepAlive(held)
	held = nil
	clear(s.known)
	for range 100 {
		runtime.GC()
		if time.Sleep(time.Millisecond); s.alive.Load() == 0 {
			break
		}
	}
	if set := s.Intern(large(1000), false); set.Truncated {
		t.Errorf("cut although %d bytes are alive", s.alive.Load())
	}
}

func TestCutText(t *testing.T) {
	const text = "a\u00e4\u20ac\U0001f600" // 1, 2, 3, 4 bytes
	for n := range len(text) + 2 {
		got := string(cutText([]byte(text), n))
		if !utf8.ValidString(got) || len(got) > n || len(got) < min(n, len(text))-3 || !strings.HasPrefix(text, got) {
			t.Errorf("cut at %d: %q", n, got)
		}
	}
	if got := cutText([]byte("\x80\x80\x80\x80\x80\x80"), 5); len(got) != 5 {
		t.Errorf("bytes that are no text: %q", got)
	}
}

func FuzzIntern(f *testing.F) {
	f.Add([]byte("key"), []byte("value"), uint8(3), false)
	f.Add([]byte("key"), bytes.Repeat([]byte("\x80"), 1<<12), uint8(255), false)
	s := NewLabelSets()
	s.limit = 1 << 20
	f.Fuzz(func(t *testing.T, key, value []byte, n uint8, truncated bool) {
		cost.Small.Hold(t, func() {
			set := make([]RawLabel, n)
			for i := range set {
				set[i] = RawLabel{key, value}
			}
			got := s.Intern(set, truncated)
			if len(got.Labels) > int(n) || !got.Truncated && len(got.Labels) < int(n) {
				t.Errorf("%d labels of %d", len(got.Labels), n)
			}
			for _, l := range got.Labels {
				if l.Key != string(key) || !got.Truncated && l.Value != string(value) {
					t.Errorf("%q", l)
				}
			}
		})
	})
}

// A set that is known costs the hash of its text.
func BenchmarkIntern(b *testing.B) {
	for name, kv := range map[string][]string{"small": {"endpoint", "GET /orders", "tenant", "a"},
		"64KiB": {"k", strings.Repeat("x", 60<<10)}} {
		b.Run(name, func(b *testing.B) {
			s, set := NewLabelSets(), raw(kv...)
			b.ReportAllocs()
			for b.Loop() {
				s.Intern(set, false)
			}
		})
	}
	b.Run("unique", func(b *testing.B) {
		s, set, id := NewLabelSets(), raw("endpoint", "GET /orders", "id", "0123456789abcdef"), []byte("0123456789abcdef")
		set[1].Value = id
		b.ReportAllocs()
		for b.Loop() {
			id[rand.IntN(len(id))]++
			s.Intern(set, false)
		}
	})
}
