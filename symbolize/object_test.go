package symbolize

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/mayfly-profiler/mayfly/symbolize/internal/elfx"
	"github.com/mayfly-profiler/mayfly/symbolize/internal/fixture"
)

// TestNewerGo opens a binary of a Go whose tables have changed: ELF symbols are left.
func TestNewerGo(t *testing.T) {
	b := small()
	b.Magic = 0xfffffff2
	o, err := newObject("/bin/future", bytes.NewReader(b.ELF()))
	if err == nil || !strings.Contains(err.Error(), "/bin/future: ") || !strings.Contains(err.Error(), "falling back to elf symbols") {
		t.Errorf("warning %v", err)
	}
	fr := o.resolve(nil, fixture.Text+0xf08)
	if len(fr) != 1 || fr[0].Func != "foo::bar" || fr[0].SystemName != "_ZN3foo3barEi" || fr[0].Kind != Go || o.kind != Go {
		t.Errorf("got %+v, kind %v", fr, o.kind)
	}
}

func TestObject(t *testing.T) {
	noGo := fixture.Binary{NoGo: true, Symbol: "work"}
	for _, tc := range []struct {
		name string
		img  []byte
		link uint64
		want string
		kind Kind
		err  error
	}{
		{"go", small().ELF(), fixture.Text, "main.outer:11", Go, nil},
		{"c in go", small().ELF(), fixture.Text + 0xf00, "foo::bar", C, nil},
		{"neither", small().ELF(), fixture.Text + 0xe00, "[prog]+0x401e00", Unknown, nil},
		{"c", noGo.ELF(), fixture.Text + 0xf0f, "work", C, nil},
		{"damaged", []byte("\x7fELF"), 0x10, "[prog]+0x10", Unknown, elfx.ErrFormat},
	} {
		o, err := newObject("/bin/prog", bytes.NewReader(tc.img))
		fr := o.resolve(nil, tc.link)
		if !errors.Is(err, tc.err) || chain(fr) != tc.want || fr[0].Kind != tc.kind {
			t.Errorf("%s: got %+v, %v, want %s", tc.name, fr, err, tc.want)
		}
	}
}

// TestBias maps an image whose code has another distance to its place in the file than its data.
func TestBias(t *testing.T) {
	o := &object{elf: &elfx.File{Loads: []elfx.Segment{
		{Filesz: 0x1234}, {Vaddr: 0x2240, Off: 0x1240, Filesz: 0x3000, Exec: true},
	}}}
	const start, offset = 0x7f0000001000, 0x1000
	if got := start + 0x300 - o.bias(start, offset); got != 0x2300 {
		t.Errorf("link address %#x, want 0x2300", got)
	}
	if got := start + 0x300 - unreadObject("x").bias(start, offset); got != 0x1300 {
		t.Errorf("link address %#x, want the place in the file", got)
	}
}

func TestElide(t *testing.T) {
	f := func(name string) Frame { return Frame{Func: name, Wrapper: strings.HasPrefix(name, "(*T)")} }
	for _, tc := range []struct{ in, want []string }{
		{[]string{"a", "(*T).m", "b"}, []string{"a", "b"}},
		{[]string{"(*T).m"}, nil},
		{[]string{"(*T).m", "(*T).n", "b"}, []string{"b"}},
		{[]string{"runtime.panicwrap", "(*T).m"}, []string{"runtime.panicwrap", "(*T).m"}},
		{[]string{"runtime.sigpanic", "(*T).m", "(*T).n"}, []string{"runtime.sigpanic", "(*T).m"}},
	} {
		in := []Frame{{Func: "(*T).before", Wrapper: true}} // not ours to judge
		for _, n := range tc.in {
			in = append(in, f(n))
		}
		var got []string
		for _, f := range elide(in, 1)[1:] {
			got = append(got, f.Func)
		}
		if strings.Join(got, " ") != strings.Join(tc.want, " ") {
			t.Errorf("%q: got %q, want %q", tc.in, got, tc.want)
		}
	}
}

// TestAllocations: what is asked for every sample costs no memory once the tables are cached.
func TestAllocations(t *testing.T) {
	bin := openFixture(t, small())
	fr := make([]Frame, 0, 8)
	pc := uint64(fixture.Text + 47)
	fr = bin.Lookup(fr, pc)
	for name, f := range map[string]func(){
		"Lookup":   func() { fr = bin.Lookup(fr[:0], pc) },
		"SPDelta":  func() { bin.SPDelta(pc) },
		"Contains": func() { bin.Contains(pc) },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
