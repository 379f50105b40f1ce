package symbolize

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

const kallsymsFixture = `ffffffff81000000 T _text
ffffffff81000000 T _stext
ffffffff81000100 t first
ffffffff81000200 T second
ffffffff81000300 T _etext
ffffffffc0000000 t hook	[mod]
`

// chain is "function:line" of the frames, innermost first, without lines where there are none.
func chain(fr []Frame) string {
	var b []string
	for _, f := range fr {
		s := f.Func
		if f.Line > 0 {
			s += ":" + strconv.Itoa(f.Line)
		}
		if f.Inlined {
			s += " (inlined)"
		}
		b = append(b, s)
	}
	return strings.Join(b, " < ")
}

// kernelOnly is a Symbolizer without a process, with a kallsyms of its own.
func kernelOnly(t *testing.T, kallsyms string) *Symbolizer {
	t.Helper()
	root := t.TempDir()
	if kallsyms != "" {
		if err := os.WriteFile(filepath.Join(root, "kallsyms"), []byte(kallsyms), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return &Symbolizer{space: space{now: time.Now}, kernel: kernel{root: root}}
}

func TestResolveKernel(t *testing.T) {
	s := kernelOnly(t, kallsymsFixture)
	for pc, want := range map[uint64]string{
		0xffffffff81000150: "first", 0xffffffff810002ff: "second", 0xffffffff81000300: "[kernel]",
		0xffffffffc0000001: "hook [mod]", 0xffffffff80000000: "[kernel]",
	} {
		fr, m := s.ResolveKernel(nil, pc)
		if chain(fr) != want || fr[0].Kind != Kernel || m != 0 {
			t.Errorf("%#x: got %+v in %d, want %s", pc, fr, m, want)
		}
	}
	want := Mapping{Start: 0xffffffff81000000, Limit: 1<<64 - 1, Offset: 0xffffffff81000000, File: "[kernel.kallsyms]", Kind: Kernel}
	if got := s.Mappings(); len(got) != 1 || got[0] != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestKernelHidden(t *testing.T) {
	for name, kallsyms := range map[string]string{
		"hidden from": "0000000000000000 T _text\n0000000000000000 t first\n",
		"no such":     "",
	} {
		s := kernelOnly(t, kallsyms)
		for range 2 {
			if fr, m := s.ResolveKernel(nil, 0xffffffff81000150); chain(fr) != "[kernel]" || m != 0 {
				t.Errorf("%s: got %v in %d", name, fr, m)
			}
		}
		if w := s.Warnings(); len(w) != 1 || !strings.Contains(w[0], name) {
			t.Errorf("%s: warnings %q", name, w)
		}
	}
}

// TestKernelReread loads a BPF program after the symbols were read.
func TestKernelReread(t *testing.T) {
	s := kernelOnly(t, kallsymsFixture)
	now := time.Now()
	s.now = func() time.Time { return now }
	const pc = 0xffffffffc1000010
	s.ResolveKernel(nil, pc)
	more := kallsymsFixture + "ffffffffc1000000 t bpf_prog_6deef7357e7b4530_sample\t[bpf]\n"
	if err := os.WriteFile(filepath.Join(s.kernel.root, "kallsyms"), []byte(more), 0o644); err != nil {
		t.Fatal(err)
	}
	resolve := func(times int) (fr []Frame) {
		for range times {
			fr, _ = s.ResolveKernel(nil, pc)
		}
		return fr
	}
	now = now.Add(59 * time.Second)
	if fr := resolve(3); chain(fr) != "[kernel]" {
		t.Errorf("read again within a minute: %v", fr)
	}
	now = now.Add(time.Second)
	if fr := resolve(3); chain(fr) != "[kernel]" {
		t.Errorf("read again for the seventh address that was not there: %v", fr)
	}
	if fr := resolve(1); chain(fr) != "bpf_prog_6deef7357e7b4530_sample" || fr[0].Kind != BPF {
		t.Errorf("got %+v", fr)
	}
}

// TestLiveKernel asks the kernel that runs the test, if it tells.
func TestLiveKernel(t *testing.T) {
	s := &Symbolizer{space: space{now: time.Now}, kernel: kernel{root: "/proc"}}
	fr, _ := s.ResolveKernel(nil, kernelHalf)
	if chain(fr) != "[kernel]" {
		t.Errorf("got %v for an address below the kernel", fr)
	}
	if s.kernel.tab == nil {
		t.Skipf("no kernel symbols: %q", s.Warnings())
	}
	for i, want := range map[uint64]bool{0: true, 1 << 62: false} {
		fr, _ := s.ResolveKernel(nil, s.Mappings()[0].Start+0x1000+i)
		if got := fr[0].Func != "[kernel]"; got != want {
			t.Errorf("start+%#x: got %v", i, fr)
		}
	}
}

func TestDemangled(t *testing.T) {
	for in, want := range map[string]string{
		"getpid":                                 "getpid",
		"_ZN5space6thriceIiEEiT_i":               "space::thrice",
		"_ZNSt6vectorIiE9push_backEOi":           "std::vector::push_back",
		"_RNvC6_123foo3bar":                      "123foo::bar",
		"_ZN4core3fmt5write17h0123456789abcdefE": "core::fmt::write",
		"_Znonsense":                             "_Znonsense",
		"_Z" + strings.Repeat("1a", 8000):        "_Z" + strings.Repeat("1a", 8000),
	} {
		if got := demangled(in); got != want {
			t.Errorf("%.40s: got %.40s, want %.40s", in, got, want)
		}
	}
}
