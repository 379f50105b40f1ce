package kallsyms

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/mayfly-profiler/mayfly/internal/cost"
)

const fixture = `0000000000000000 A fixed_percpu_data
ffffffff81000000 T _text
ffffffff81000000 T _stext
ffffffff81000000 t alias_first
ffffffff81000000 T alias_better
ffffffff81000000 t alias_last
ffffffff810000f0 t __pfx_padded
ffffffff81000100 t padded
ffffffff81000200 T __ia32_sys_read
ffffffff81000200 T __x64_sys_read
ffffffff81000300 t foo.isra.0
ffffffff81000300 t __pi_foo
ffffffff81000400 W weak
ffffffff81000480 T __sched_text_end
ffffffff81000500 T _etext
ffffffff82000000 D data
ffffffff83000000 T _sinittext
ffffffff83000010 t setup
ffffffff83000020 T _einittext
garbage
ffffffffc0100000 t mod_fn	[mod]
ffffffffc0100100 t __pfx_mod_late	[mod]
ffffffffc0100110 t mod_late	[mod]
ffffffffc0000000 t hook	[other]
ffffffffc0200000 t bpf_prog_6deef7357e7b4530_sample	[bpf]
`

const modules = "mod 4096 1 - Live 0xffffffffc0100000\nother 16384 0 mod, Live 0xffffffffc0000000 (O)\nbad\n"

func read(t *testing.T, syms string) *Table {
	t.Helper()
	tab, err := Read(strings.NewReader(syms), strings.NewReader(modules))
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

func TestLookup(t *testing.T) {
	tab := read(t, fixture)
	for pc, want := range map[uint64]string{
		0:                  "",
		0xffffffff80ffffff: "",
		0xffffffff81000000: "alias_better",
		0xffffffff810000ef: "alias_better",
		0xffffffff810000f0: "padded",
		0xffffffff81000100: "padded",
		0xffffffff81000200: "__x64_sys_read",
		0xffffffff81000300: "foo.isra.0",
		0xffffffff810004ff: "weak",
		0xffffffff81000500: "", // past the text
		0xffffffff82000000: "",
		0xffffffff8300001f: "setup",
		0xffffffff83000020: "",
		0xffffffffc0000001: "hook [other]",
		0xffffffffc0003fff: "hook [other]",
		0xffffffffc0004000: "", // past the module
		0xffffffffc01000ff: "mod_fn [mod]",
		0xffffffffc0100100: "mod_late [mod]",
		0xffffffffc0100fff: "mod_late [mod]",
		0xffffffffc0101000: "",
		0xffffffffc0200000: "bpf_prog_6deef7357e7b4530_sample",
		0xffffffffc0300000: "", // further than any program
		1<<64 - 1:          "",
	} {
		name, kind, ok := tab.Lookup(pc)
		if name != want || ok != (want != "") {
			t.Errorf("%#x: got %q, %v, want %q", pc, name, ok, want)
		}
		if wantKind := map[bool]Kind{true: BPF}[strings.HasPrefix(name, "bpf")]; ok && wantKind == BPF && kind != BPF {
			t.Errorf("%#x: got kind %d", pc, kind)
		}
		if strings.HasSuffix(name, "]") && kind != Module {
			t.Errorf("%#x: got kind %d for %s", pc, kind, name)
		}
	}
	if n := tab.Len(); n != 10 {
		t.Errorf("%d functions, want 10", n)
	}
	if tab.Start() != 0xffffffff81000000 || tab.Hidden() {
		t.Errorf("start %#x, hidden %v", tab.Start(), tab.Hidden())
	}
}

func TestHidden(t *testing.T) {
	tab := read(t, "0000000000000000 T _stext\n0000000000000000 t foo\n")
	if _, _, ok := tab.Lookup(0); !tab.Hidden() || ok || tab.Start() != 0 {
		t.Errorf("hidden %v, found %v, start %#x", tab.Hidden(), ok, tab.Start())
	}
}

// TestNoBorders reads symbols of which neither the borders nor the modules are known.
func TestNoBorders(t *testing.T) {
	tab, err := Read(strings.NewReader("ffffffff81000000 t foo\nffffffffc0000000 t bar\t[mod]"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for pc, want := range map[uint64]string{0xffffffff81000010: "foo", 0xffffffff81000000 + reach: "", 0xffffffffc0000010: "bar [mod]"} {
		if name, _, _ := tab.Lookup(pc); name != want {
			t.Errorf("%#x: got %q, want %q", pc, name, want)
		}
	}
}

func TestReadErrors(t *testing.T) {
	boom := errors.New("boom")
	if _, err := Read(io.MultiReader(strings.NewReader(fixture), iotest.ErrReader(boom)), nil); !errors.Is(err, boom) {
		t.Errorf("got %v", err)
	}
	long := "ffffffff81000000 t " + strings.Repeat("x", 3*maxLine) + "\nffffffff81000100 t foo\n"
	if tab := read(t, long); tab.Len() != 1 {
		t.Errorf("%d symbols, want 1", tab.Len())
	}
}

func FuzzKallsyms(f *testing.F) {
	f.Add([]byte(fixture), []byte(modules), uint64(0xffffffff81000100))
	f.Add([]byte("1 t a\n2 t b\t[bpf]"), []byte(""), uint64(2))
	f.Add([]byte("ffffffffffffffff T __pfx_"), []byte("a 9223372036854775807 0 - - 0x1"), uint64(1<<64-1))
	f.Add([]byte("1 t \x00"), []byte("1 t"), uint64(70))
	f.Add(bytes.Repeat([]byte("1 t a\n"), 1<<16), bytes.Repeat([]byte("a 9 0 - - 0x1\n"), 1<<12), uint64(1))
	f.Fuzz(func(t *testing.T, syms, modules []byte, pc uint64) {
		cost.Small.Hold(t, func() {
			tab, err := Read(bytes.NewReader(syms), bytes.NewReader(modules))
			if err != nil {
				t.Fatal(err)
			}
			if name, _, ok := tab.Lookup(pc); ok && (name == "" || !bytes.Contains(syms, []byte(strings.SplitN(name, " ", 2)[0]))) {
				t.Fatalf("%#x is %q", pc, name)
			}
			for i := 1; i < len(tab.syms); i++ {
				if tab.syms[i-1].addr >= tab.syms[i].addr {
					t.Fatal("not in order")
				}
			}
		})
	})
}
