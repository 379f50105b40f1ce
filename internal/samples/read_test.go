package samples

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/cost"
)

// tiny is a valid profile, not compressed: three samples of 3, 1 and 1 ms a second apart, the first in main.f with the label k=v.
func tiny(t testing.TB) []byte {
	b, err := os.ReadFile("testdata/tiny.pb")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestReadRefuses(t *testing.T) {
	whole := tiny(t)
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	w.Write(whole)
	w.Close()
	for name, tt := range map[string]struct {
		in   []byte
		want error
	}{
		"whole":           {whole, nil},
		"compressed":      {z.Bytes(), nil},
		"empty":           {nil, ErrNotProfile},
		"text":            {[]byte("--- heapz 1 ---\n"), ErrNotProfile},
		"cut":             {whole[:len(whole)/2], ErrNotProfile},
		"cut gzip":        {z.Bytes()[:z.Len()/2], ErrNotProfile},
		"a claim of 2 GB": {[]byte{6<<3 | 2, 0x80, 0x80, 0x80, 0x80, 0x08}, ErrTooLarge},
		"many messages":   {bytes.Repeat([]byte{2<<3 | 2, 0}, 30<<20), ErrTooLarge},
	} {
		_, err := Read(bytes.NewReader(tt.in), name)
		if !errors.Is(err, tt.want) || err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
}

// fileCost is for what package samples lets through, read twice.
var fileCost = cost.Limit{Bytes: 3 << 30, Time: 30 * time.Second}

// FuzzOpen reads anything at once and sample by sample: both refuse it, or both have the same.
func FuzzOpen(f *testing.F) {
	f.Add(tiny(f))
	f.Add(labelled(f))
	f.Add([]byte{0x1f, 0x8b, 0, 0})
	for _, name := range []string{"lines", "labels", "deep"} { // some kilobytes each
		var z bytes.Buffer
		w := gzip.NewWriter(&z)
		io.Copy(w, bombs()[name]())
		w.Close()
		f.Add(z.Bytes())
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		fileCost.Hold(t, func() {
			whole, err := Read(bytes.NewReader(in), "fuzz")
			file, oerr := Open(bytes.NewReader(in), "fuzz")
			if oerr != nil || err != nil {
				return
			}
			i := 0
			for s, at := range file.Numbered() {
				w := whole.Sample[i]
				for k, l := range s.Location {
					if file.Head.Location[at[k]] != l || l.ID != w.Location[k].ID {
						t.Fatalf("sample %d, location %d: number %d", i, k, at[k])
					}
				}
				if !reflect.DeepEqual(s.Value, w.Value) || len(s.Location) != len(w.Location) || !equal(s.Label, w.Label) ||
					!equal(s.NumLabel, w.NumLabel) || !equal(trimmed(s.NumUnit), trimmed(w.NumUnit)) {
					t.Fatalf("sample %d: one by one %q %v %q, at once %q %v %q", i, s.Label, s.NumLabel, s.NumUnit, w.Label, w.NumLabel, w.NumUnit)
				}
				i++
			}
			if file.Err() == nil && i != len(whole.Sample) {
				t.Fatalf("%d samples, want %d", i, len(whole.Sample))
			}
		})
	})
}

// trimmed is units without the empty ones behind the last: package profile has one for each number.
func trimmed(units map[string][]string) map[string][]string {
	out := make(map[string][]string)
	for k, list := range units {
		for len(list) > 0 && list[len(list)-1] == "" {
			list = list[:len(list)-1]
		}
		if len(list) > 0 {
			out[k] = list
		}
	}
	return out
}

// labelled is a profile whose labels have several values, numbers with several units or some, and nothing.
func labelled(t testing.TB) []byte {
	p, err := profile.ParseUncompressed(tiny(t))
	if err != nil {
		t.Fatal(err)
	}
	p.Sample[0].Label = map[string][]string{"two": {"y", "x"}, "empty": {""}, "both": {"text"}}
	p.Sample[0].NumLabel = map[string][]int64{"both": {7}, "bytes": {1, 0, 2, 3}, "zero": {0}, "size": {0}}
	p.Sample[0].NumUnit = map[string][]string{"bytes": {"", "bytes", "kilobytes", ""}, "size": {"bytes"}}
	p.Sample[1].NumLabel, p.Sample[1].NumUnit = map[string][]int64{"size": {1, 2}}, map[string][]string{"size": {"bytes", "bytes"}}
	p.Sample[2].NumLabel, p.Sample[2].NumUnit = map[string][]int64{"size": {1}}, map[string][]string{"size": {"bytes"}}
	var b bytes.Buffer
	if err := p.WriteUncompressed(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func equal[V any](a, b map[string]V) bool {
	return len(a) == 0 && len(b) == 0 || reflect.DeepEqual(a, b)
}

func TestOpen(t *testing.T) {
	f, err := Open(bytes.NewReader(tiny(t)), "tiny")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		n, sum := 0, int64(0)
		for s := range f.Each() {
			n++
			sum += s.Value[1]
		}
		if n != 3 || sum != 5e6 || f.Err() != nil || len(f.Head.Sample) != 0 {
			t.Errorf("%d samples of %d ns, %v", n, sum, f.Err())
		}
	}
	broken, err := profile.ParseUncompressed(tiny(t))
	if err != nil {
		t.Fatal(err)
	}
	broken.Sample[1].Value = broken.Sample[1].Value[:1]
	var b bytes.Buffer
	if err := broken.WriteUncompressed(&b); err != nil {
		t.Fatal(err)
	}
	if f, err = Open(&b, "broken"); err != nil {
		t.Fatal(err)
	}
	n := 0
	for range f.Each() {
		n++
	}
	if err := f.Err(); n != 1 || !errors.Is(err, ErrNotProfile) || strings.Contains(err.Error(), "\n") {
		t.Errorf("%d samples, %v", n, err)
	}
}
