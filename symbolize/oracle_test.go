package symbolize

import (
	"bufio"
	"bytes"
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/mayfly-profiler/mayfly/internal/target"
)

const oraclePCs = 10000

// TestOracle compares every frame of 10,000 random addresses with what the Go runtime says about
// them inside the same binary, for every way of building.
func TestOracle(t *testing.T) {
	builds := target.Matrix(t)
	for _, v := range target.Releases(t) {
		if strings.HasPrefix(v, "1.19.") || strings.HasPrefix(v, "1.20.") { // the layouts before
			builds = append(builds, target.Build{Go: v}, target.Build{Go: v, PIE: true, CGO: true, Strip: true})
		}
	}
	for _, b := range builds {
		if b.Go == "" || b.Go >= "1.23" {
			b.LDFlags = "-checklinkname=0"
		}
		t.Run(b.String(), func(t *testing.T) {
			exe := target.Compile(t, "oracle", b)
			bin := openGoFile(t, exe)
			o := oracle{bin: bin, names: map[string]bool{}, count: map[string]int{}}
			o.pcs = o.sample(rand.New(rand.NewSource(1)), oraclePCs)
			o.compare(t, ask(t, exe, bin, o.pcs))
			o.report(t)
		})
	}
}

// TestNoSectionHeaders takes the section headers away, as packers do: the answers stay.
func TestNoSectionHeaders(t *testing.T) {
	for _, b := range target.Matrix(t) {
		t.Run(b.String(), func(t *testing.T) {
			exe := target.Compile(t, "frames", b)
			whole := openGoFile(t, exe)
			img, err := os.ReadFile(exe)
			if err != nil {
				t.Fatal(err)
			}
			clear(img[40:48]) // e_shoff
			clear(img[60:64]) // e_shnum, e_shstrndx
			bare, err := OpenGo(bytes.NewReader(img))
			if err != nil {
				t.Fatal(err)
			}
			o := oracle{bin: whole}
			for _, pc := range o.sample(rand.New(rand.NewSource(1)), 500) {
				if got, want := bare.Lookup(nil, pc), whole.Lookup(nil, pc); !slices.Equal(got, want) {
					t.Fatalf("%#x: got %+v, want %+v", pc, got, want)
				}
			}
		})
	}
}

func openGoFile(t testing.TB, path string) *Binary {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	b, err := OpenGo(f)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// ask runs the oracle and returns its answers, one line an address.
func ask(t *testing.T, exe string, bin *Binary, pcs []uint64) []string {
	t.Helper()
	main, _, ok := bin.Func("main.main")
	if !ok {
		t.Fatal("no main.main")
	}
	var in bytes.Buffer
	fmt.Fprintf(&in, "%x\n", main)
	for _, pc := range pcs {
		fmt.Fprintf(&in, "%x\n", pc)
	}
	cmd := exec.Command(exe)
	cmd.Stdin = &in
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", exe, err)
	}
	var lines []string
	sc := bufio.NewScanner(bytes.NewReader(out))
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		lines = append(lines, sc.Text())
	}
	if len(lines) != len(pcs) {
		t.Fatalf("%d answers to %d questions", len(lines), len(pcs))
	}
	return lines
}

// oracle counts how our answers compare with the runtime's.
type oracle struct {
	bin     *Binary
	pcs     []uint64
	padding int
	inlined int
	names   map[string]bool // that the runtime takes for no name
	count   map[string]int
	others  []string
}

// sample draws addresses uniformly from the text and rejects padding, where no program is ever
// interrupted: it has no line.
func (o *oracle) sample(r *rand.Rand, n int) []uint64 {
	lo, hi := o.bin.Text()
	pcs := make([]uint64, 0, n)
	for len(pcs) < n {
		pc := lo + uint64(r.Int63n(int64(hi-lo)))
		fr := o.bin.Lookup(nil, pc)
		if len(fr) == 0 || fr[0].Line == 0 {
			o.padding++
			continue
		}
		if len(fr) > 1 {
			o.inlined++
		}
		pcs = append(pcs, pc)
	}
	return pcs
}

func (o *oracle) compare(t *testing.T, answers []string) {
	for i, want := range answers {
		class := o.classify(o.pcs[i], parseAnswer(want))
		o.count[class]++
		if class == "other" {
			o.others = append(o.others, fmt.Sprintf("%#x\n  runtime %q\n  ours    %+v", o.pcs[i], want, o.bin.Lookup(nil, o.pcs[i])))
		}
	}
}

func parseAnswer(line string) []Frame {
	var fr []Frame
	for _, f := range strings.Split(line, "\t") {
		var v Frame
		parts := strings.Split(f, "\x01")
		if len(parts) != 3 {
			return nil
		}
		v.Func, v.File = parts[0], parts[1]
		fmt.Sscan(parts[2], &v.Line)
		fr = append(fr, v)
	}
	return fr
}

// classify names the difference between our frames and the runtime's. All classes but "other"
// are known and explained:
//   - wrappers are left out by the runtime, and by Resolve, but not by Lookup;
//   - CallersFrames shortens type arguments to [...]; runtime/pprof writes them in full, as we do;
//   - the runtime takes a name at offset 0 of the name table for no name: it prints none for one
//     real function;
//   - the oracle gets pc+1 and cannot know that it means a call in the function before.
func (o *oracle) classify(pc uint64, want []Frame) string {
	raw := o.bin.Lookup(nil, pc)
	elided := elide(o.bin.Lookup(nil, pc), 0)
	full := func(got, want string) bool { return got == want }
	short := func(got, want string) bool { return got == want || shorten(got) == want }
	nameless := func(got, want string) bool { return want == "" || short(got, want) }
	_, hi := o.function(pc)
	switch {
	case same(raw, want, full):
		return "exact"
	case same(elided, want, full):
		return "wrapper elided"
	case same(raw, want, short), same(elided, want, short):
		return "[...]"
	case same(raw, want, nameless), same(elided, want, nameless):
		o.nameless(raw, want)
		return "name offset 0"
	case hi == pc+1:
		return "last byte"
	}
	return "other"
}

func same(got, want []Frame, name func(got, want string) bool) bool {
	if len(got) != len(want) {
		return false
	}
	for i := range got {
		if got[i].File != want[i].File || got[i].Line != want[i].Line || !name(got[i].Func, want[i].Func) {
			return false
		}
	}
	return true
}

// nameless remembers which of our names the runtime does not print: there is only one.
func (o *oracle) nameless(got, want []Frame) {
	got = elide(got, 0)
	for i := range want {
		if want[i].Func == "" && i < len(got) {
			o.names[got[i].Func] = true
		}
	}
}

// within counts the addresses in functions of these names, inlined or not.
func (o *oracle) within(names map[string]bool) (n int) {
	for _, pc := range o.pcs {
		if slices.ContainsFunc(o.bin.Lookup(nil, pc), func(f Frame) bool { return names[f.Func] }) {
			n++
		}
	}
	return n
}

func (o *oracle) function(pc uint64) (lo, hi uint64) { return o.bin.tab.Range(o.bin.tab.Find(pc)) }

// shorten does what runtime.funcNameForPrint does.
func shorten(s string) string {
	i, j := strings.Index(s, "["), strings.LastIndex(s, "]")
	if i < 0 || j <= i {
		return s
	}
	return s[:i] + "[...]" + s[j+1:]
}

func (o *oracle) report(t *testing.T) {
	n := len(o.pcs)
	t.Logf("%d addresses, %.1f %% inlined, padding rejected %.2f %%: %v", n, 100*float64(o.inlined)/float64(n),
		100*float64(o.padding)/float64(n+o.padding), o.count)
	if len(o.names) > 1 {
		t.Errorf("more than one function without a name: %v", o.names)
	}
	last := 1 // of a thousand
	if runtime.GOARCH == "arm64" {
		last = 4 // whose instructions have 4 bytes
	}
	if o.count["last byte"]*1000 > last*n {
		t.Errorf("too many exceptions: %v", o.count)
	}
	if want := o.within(o.names); o.count["name offset 0"] > want {
		t.Errorf("%d addresses lack a name, %d are in the function without one: %v", o.count["name offset 0"], want, o.names)
	}
	if o.inlined*10 < n {
		t.Errorf("only %d of %d addresses in inlined code", o.inlined, n)
	}
	if len(o.others)*10000 > n {
		t.Errorf("%d of %d differ, more than 0.01 %%; the first:\n%s", len(o.others), n, strings.Join(o.others[:min(5, len(o.others))], "\n"))
	}
}
