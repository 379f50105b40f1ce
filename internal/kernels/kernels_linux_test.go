//go:build kernels

package kernels

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/target"
)

// make kernels runs this.

var (
	folder = flag.String("kernels", "", "folder for Debian's kernels and what the machines say")
	only   = flag.String("kernels.only", "", "kernels to run, separated by commas: 6.1-arm64; empty: all")
	tests  = flag.String("kernels.tests", "", "regular expression: which tests the machines run; empty: those that are listed here")
	page   = flag.String("kernels.page", "", "page whose table is written anew; not with -kernels.tests")
)

var series = []string{"5.10", "6.1", "6.12", "newest"}

// guests are what the machines run: the package, and which of its tests. Those that are about rates and shares of time skip
// themselves there.
var guests = []struct {
	pkg  string
	runs []string
}{
	{"internal/kernels", []string{"^TestInside"}},
	{"internal/source/bpf", []string{"^Test(GoroutinesAndLabels|WrongLayout|Sched(Times|ThreadsEnd|Cost|AgreesWithSchedstat)|CallsGuard|" +
		"Arrivals|Exact.*|Bell|FewFiles)$"}},
	{"profiler", []string{
		"^Test(Calls|Throttled|StoppedBefore|DeepStacks|SignalHandlers|RateReached)$",
		"^Test(LeafCallers|StatesAddUp|AssemblyUsesFramePointer)$/plain",
	}},
}

// programs of testdata that these tests start, by how they are built.
func programs() map[string][]target.Build {
	plain, all := []target.Build{{}}, target.Modes()
	return map[string][]target.Build{"spin": plain, "server": plain, "labels": all, "leaf": all, "calls": plain, "states": plain,
		"threads": plain, "deep": plain, "shares": plain, "crypto": plain, "signals": plain}
}

// foreign are programs on code of others, by the folder of testdata whose go.mod says which version of it.
var foreign = map[string][]string{
	"foreign":         {"./fasthttp"},
	"foreign/servers": {"github.com/nats-io/nats-server/v2", "./load/loadnats"},
}

func TestKernels(t *testing.T) {
	if *folder == "" {
		t.Skip(&target.UnavailableError{What: "folder for kernels", Err: fmt.Errorf("make kernels names one")})
	}
	dir, err := filepath.Abs(*folder)
	check(t, err)
	check(t, os.MkdirAll(dir, 0o755))
	debian(dir).update(t)
	var rows []row
	for _, arch := range []string{"amd64", "arm64"} {
		for _, s := range series {
			if name := s + "-" + arch; *only == "" || slices.Contains(strings.Split(*only, ","), name) {
				t.Run(name, func(t *testing.T) { rows = append(rows, boot(t, debian(dir), s, arch)) })
			}
		}
	}
	if len(rows) == 0 {
		t.Errorf("-kernels.only=%s: no kernel is called that: SERIES-ARCH of %s, amd64 and arm64", *only, strings.Join(series, ", "))
	}
	for _, r := range rows {
		t.Log(r)
	}
	if *page != "" && *tests == "" {
		check(t, rewrite(*page, rows))
	}
}

// boot runs the guests on one kernel.
func boot(t *testing.T, d debian, series, arch string) row {
	kernel, pkg := d.kernel(t, series, arch)
	initrd := filepath.Join(t.TempDir(), "initrd")
	pack(t, initrd, arch)
	v := machine{arch, kernel, initrd}.run(t, kernel+".log", 15*time.Minute)
	t.Logf("%s: %s, console in %s.log", pkg, v.release, kernel)
	if !v.off {
		t.Errorf("the machine did not get to its end: %q", v.panicky)
	}
	for _, r := range v.tests {
		if r.outcome == "FAIL" {
			t.Errorf("%s: %s", r.program, r.name)
		}
	}
	return rowOf(arch, v)
}

// pack makes the archive that the machine's kernel unpacks.
func pack(t *testing.T, file, arch string) {
	t.Helper()
	f, err := os.Create(file)
	check(t, err)
	defer f.Close()
	root, err := filepath.Abs(filepath.Join("..", ".."))
	check(t, err)
	a, work := newArchive(f), t.TempDir()
	goTool(t, root, arch, "build", "-o", work, "./cmd/mayfly", "./testdata/guest")
	a.file("init", filepath.Join(work, "guest"))
	a.file("bin/mayfly", filepath.Join(work, "mayfly"))
	a.link("bin/sleep", "/init")
	a.text("etc/passwd", "root:x:0:0:root:/tmp:/bin/sh\n")
	a.text("plan", plan())
	a.file("src/go.mod", filepath.Join(root, "go.mod"))
	for _, g := range guests {
		test := filepath.Join(work, testName(g.pkg))
		goTool(t, root, arch, "test", "-c", "-tags", "kernels", "-o", test, "./"+g.pkg)
		a.file("tests/"+testName(g.pkg), test)
		a.text(filepath.Join("src", g.pkg, "here"), "")
		a.folder(filepath.Join("src", g.pkg, "testdata"), filepath.Join(root, g.pkg, "testdata"))
	}
	for name, builds := range programs() {
		for _, b := range builds {
			b.GOARCH = arch
			a.file(filepath.Join("targets", b.String(), name), target.Compile(t, name, b))
		}
	}
	for module, packages := range foreign {
		goTool(t, filepath.Join(root, "testdata", module), arch, append([]string{"build", "-o", work}, packages...)...)
		for _, p := range packages {
			name := filepath.Base(strings.TrimSuffix(p, "/v2"))
			a.file(filepath.Join("bin", name), filepath.Join(work, name))
		}
	}
	for name, from := range library[arch] { // for programs that are linked by the dynamic linker
		a.file(name, from)
	}
	check(t, a.close())
}

var library = map[string]map[string]string{
	"amd64": {"lib64/ld-linux-x86-64.so.2": "/lib64/ld-linux-x86-64.so.2",
		"lib/x86_64-linux-gnu/libc.so.6": "/lib/x86_64-linux-gnu/libc.so.6"},
	"arm64": {"lib/ld-linux-aarch64.so.1": "/usr/aarch64-linux-gnu/lib/ld-linux-aarch64.so.1",
		"lib/aarch64-linux-gnu/libc.so.6": "/usr/aarch64-linux-gnu/lib/libc.so.6"},
}

func testName(pkg string) string { return strings.ReplaceAll(pkg, "/", "-") + ".test" }

// plan is what the first process does; see testdata/guest.
func plan() string {
	var b strings.Builder
	b.WriteString("PATH=/bin\nHOME=/tmp\nTMPDIR=/tmp\nMAYFLY_TARGETS=/targets\nMAYFLY_EMULATED=1\nMAYFLY_REQUIRE_BPF=1\n")
	for _, g := range guests {
		runs := g.runs
		if *tests != "" {
			runs = []string{*tests}
		}
		for _, run := range runs {
			fmt.Fprintf(&b, "/src/%s 8m /tests/%s -test.v -test.timeout 7m -test.run %s\n", g.pkg, testName(g.pkg), run)
		}
	}
	return b.String()
}

func goTool(t *testing.T, dir, arch string, args ...string) {
	t.Helper()
	cmd := exec.Command("go", args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOARCH="+arch, "CGO_ENABLED=0")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, &out)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
