package symbolize

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/internal/target"
)

func open(t *testing.T, pid int, o Options) *Symbolizer {
	t.Helper()
	p, err := proc.Open(pid)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	s, err := New(p, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func hex(t *testing.T, x *target.Target, name string) uint64 {
	t.Helper()
	v, err := strconv.ParseUint(x.Field(name), 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// goFrames checks the address that the program tells.
func goFrames(t *testing.T, s *Symbolizer, x *target.Target) {
	t.Helper()
	pc := hex(t, x, "go") - 1
	fr, m := s.Resolve(nil, pc)
	want := fmt.Sprintf("main.inner:%s (inlined) < main.outer", x.Field("line"))
	if got := chain(fr); !strings.HasPrefix(got, want) || m != 0 || fr[0].Kind != Go || !s.InGo(pc) {
		t.Errorf("got %s in mapping %d, want %s", got, m, want)
	}
	if filepath.Base(fr[0].File) != "main.go" || fr[0].StartLine == 0 {
		t.Errorf("got %+v", fr[0])
	}
	if d, ok := s.SPDelta(pc); d <= 0 || !ok {
		t.Errorf("stack pointer delta %d, %v", d, ok)
	}
	main := s.Mappings()[0]
	if main.Kind != Go || pc < main.Start || pc >= main.Limit || strings.HasSuffix(main.File, "(deleted)") {
		t.Errorf("main mapping %+v", main)
	}
}

func TestLive(t *testing.T) {
	for _, b := range target.Matrix(t) {
		t.Run(b.String(), func(t *testing.T) {
			x := target.Start(t, target.Compile(t, "frames", b))
			s := open(t, x.PID, Options{})
			goFrames(t, s, x)
			if b.CGO {
				cFrames(t, s, x, b.Strip)
			}
			if w := s.Warnings(); len(w) != 0 {
				t.Errorf("warnings %q", w)
			}
		})
	}
}

// cFrames checks the C functions that the program tells.
func cFrames(t *testing.T, s *Symbolizer, x *target.Target, stripped bool) {
	t.Helper()
	c, cxx := "frames_twice", "space::thrice"
	base := filepath.Base(x.Exe)
	if stripped {
		c, cxx = "["+base+"]+0x", "["+base+"]+0x"
	}
	for _, tc := range []struct {
		field, want string
		kind        Kind
		file        string
	}{{"c", c, C, base}, {"cxx", cxx, C, base}, {"libc", "getpid", C, "libc"}} {
		pc := hex(t, x, tc.field)
		fr, m := s.Resolve(nil, pc)
		if stripped && tc.field != "libc" {
			tc.kind = Unknown
		}
		if len(fr) != 1 || !strings.Contains(fr[0].Func, tc.want) || fr[0].Kind != tc.kind || m < 0 {
			t.Errorf("%s: got %+v in %d, want %s", tc.field, fr, m, tc.want)
			continue
		}
		if f := filepath.Base(s.Mappings()[m].File); !strings.HasPrefix(f, tc.file) {
			t.Errorf("%s: mapped from %s, want %s", tc.field, f, tc.file)
		}
		if tc.field == "cxx" && !stripped && fr[0].SystemName != "_ZN5space6thriceIiEEiT_i" {
			t.Errorf("system name %q", fr[0].SystemName)
		}
		if s.InGo(pc) {
			t.Errorf("%s: taken for Go", tc.field)
		}
	}
}

// copied starts a copy of the program, whose file the test may do away with.
func copied(t *testing.T) *target.Target {
	t.Helper()
	b, err := os.ReadFile(target.Compile(t, "frames", target.Build{}))
	if err != nil {
		t.Fatal(err)
	}
	exe := filepath.Join(t.TempDir(), "frames")
	if err := os.WriteFile(exe, b, 0o755); err != nil {
		t.Fatal(err)
	}
	return target.Start(t, exe)
}

func TestDeletedBefore(t *testing.T) {
	x := copied(t)
	if err := os.Remove(x.Exe); err != nil {
		t.Fatal(err)
	}
	goFrames(t, open(t, x.PID, Options{}), x)
}

func TestReplacedBefore(t *testing.T) {
	x := copied(t)
	other := filepath.Join(t.TempDir(), "other")
	if err := os.WriteFile(other, []byte("not even a program"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(other, x.Exe); err != nil {
		t.Fatal(err)
	}
	goFrames(t, open(t, x.PID, Options{}), x)
}

// TestGone resolves after the file and then the process have gone.
func TestGone(t *testing.T) {
	x := copied(t)
	s := open(t, x.PID, Options{})
	if err := os.Remove(x.Exe); err != nil {
		t.Fatal(err)
	}
	x.Kill()
	goFrames(t, s, x)
	s.now = func() time.Time { return time.Now().Add(time.Hour) }
	if fr, m := s.Resolve(nil, 42); chain(fr) != "[unknown]" || m != -1 {
		t.Errorf("got %v in %d", fr, m)
	}
	goFrames(t, s, x)
}

// TestChroot observes a process that sees another root than we do.
func TestChroot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("chroot(2) needs root")
	}
	x := copied(t)
	cmd := exec.Command("/" + filepath.Base(x.Exe))
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: filepath.Dir(x.Exe)}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Skipf("chroot: %v", err) // the loader of the host may be missing in there
	}
	defer func() { in.Close(); cmd.Wait() }()
	if _, err := out.Read(make([]byte, 64)); err != nil {
		t.Fatal(err)
	}
	goFrames(t, open(t, cmd.Process.Pid, Options{}), x) // not position independent: same addresses
}

func TestVDSO(t *testing.T) {
	s := open(t, os.Getpid(), Options{})
	i := slices.IndexFunc(s.Mappings(), func(m Mapping) bool { return m.File == "[vdso]" })
	if i < 0 {
		t.Skip("this kernel maps no vdso")
	}
	m := s.Mappings()[i]
	names := map[string]bool{}
	for pc := m.Start; pc < m.Limit; pc += 4 {
		fr, got := s.Resolve(nil, pc)
		if len(fr) != 1 || got != i {
			t.Fatalf("%#x: got %v in %d", pc, fr, got)
		}
		if fr[0].Kind == VDSO {
			names[fr[0].Func] = true
		}
	}
	if !names["__vdso_clock_gettime"] && !names["__kernel_clock_gettime"] {
		t.Errorf("no clock_gettime among %v", names)
	}
	if own, err := ownVDSO(); err != nil || len(own) == 0 {
		t.Errorf("own vdso: %v", err)
	}
}

// Code in memory of no file is code that the process generated, whether it was there at the beginning or not.
func TestGeneratedCode(t *testing.T) {
	code := func() uint64 {
		b, err := syscall.Mmap(-1, 0, 4096, syscall.PROT_READ|syscall.PROT_EXEC, syscall.MAP_PRIVATE|syscall.MAP_ANON)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { syscall.Munmap(b) })
		return uint64(uintptr(unsafe.Pointer(&b[0])))
	}
	first := code()
	s := open(t, os.Getpid(), Options{NoKernel: true})
	second := code()
	s.now = func() time.Time { return time.Now().Add(time.Minute) }
	for _, pc := range []uint64{first, first + 4095, second, second + 1} {
		if fr, m := s.Resolve(nil, pc); chain(fr) != "[jit]" || m != -1 {
			t.Errorf("%#x: got %v in %d", pc, fr, m)
		}
	}
	if s.InGo(first) {
		t.Error("generated code is no Go code")
	}
}

// A memfd is memory, too.
func TestGeneratedCodeInMemfd(t *testing.T) {
	fd, err := unix.MemfdCreate("code", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Ftruncate(fd, 4096); err != nil {
		t.Fatal(err)
	}
	b, err := unix.Mmap(fd, 0, 4096, unix.PROT_READ|unix.PROT_EXEC, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(b)
	s := open(t, os.Getpid(), Options{NoKernel: true})
	pc := uint64(uintptr(unsafe.Pointer(&b[0])))
	if fr, m := s.Resolve(nil, pc); chain(fr) != "[jit]" || fr[0].Kind != JIT || m < 0 {
		t.Errorf("got %v in %d", fr, m)
	}
	for _, w := range s.Warnings() {
		if strings.Contains(w, "memfd") {
			t.Error(w)
		}
	}
}

func TestUnknownAddresses(t *testing.T) {
	s := open(t, os.Getpid(), Options{NoKernel: true})
	if fr, m := s.Resolve(nil, 42); chain(fr) != "[unknown]" || m != -1 {
		t.Errorf("got %v in %d", fr, m)
	}
	if fr, m := s.Resolve(nil, kernelHalf+42); chain(fr) != "[unknown]" || m != -1 {
		t.Errorf("got %v in %d", fr, m)
	}
	if _, ok := s.SPDelta(42); ok || s.InGo(42) {
		t.Error("42 is no Go")
	}
}

// TestRefresh loses the mappings and finds them again, but not at any rate.
func TestRefresh(t *testing.T) {
	x := target.Start(t, target.Compile(t, "frames", target.Build{}))
	s := open(t, x.PID, Options{})
	now := time.Now()
	s.now = func() time.Time { return now }
	all := len(s.mappings)
	s.regions, s.former, s.refreshed = nil, nil, now
	pc := hex(t, x, "go") - 1
	if _, m := s.Resolve(nil, pc); m != -1 {
		t.Errorf("mapping %d without a lookup", m)
	}
	now = now.Add(refreshEvery)
	if fr, m := s.Resolve(nil, pc); m != all || fr[0].Func != "main.inner" {
		t.Errorf("got %v in %d, want %d", fr, m, all)
	}
	// A region that is gone still resolves, and one that stays keeps its index.
	maps, err := s.p.Maps()
	if err != nil {
		t.Fatal(err)
	}
	n := len(s.mappings)
	s.adopt(executable(maps))
	s.adopt(nil)
	if fr, m := s.Resolve(nil, pc); m != all || len(s.mappings) != n || fr[0].Func != "main.inner" {
		t.Errorf("got %v in %d, want %d", fr, m, all)
	}
}

func TestNotGo(t *testing.T) {
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Skip(err)
	}
	cmd := exec.Command(sleep, "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cmd.Process.Kill(); cmd.Wait() }()
	s := open(t, cmd.Process.Pid, Options{})
	if w := strings.Join(s.Warnings(), "\n"); !strings.Contains(w, "not a Go binary") {
		t.Errorf("warnings %q", w)
	}
}

func TestDead(t *testing.T) {
	x := copied(t)
	p, err := proc.Open(x.PID)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	x.Kill()
	if _, err := New(p, Options{}); !errors.Is(err, proc.ErrNoProcess) {
		t.Errorf("got %v, want %v", err, proc.ErrNoProcess)
	}
}

// Addresses of a program are those of that program also when the process executes another one, whose code lies at the same place, before
// they are looked up, and the mappings are read again for an address that is in none.
func TestExecuted(t *testing.T) {
	next := target.Compile(t, "spin", target.Build{})
	x := target.Start(t, target.Compile(t, "execs", target.Build{}), "-after", "500ms", "--", next, "-n", "1")
	s := open(t, x.PID, Options{})
	bin, bias := s.Main()
	pc, _, ok := bin.Func("main.burn")
	if !ok {
		t.Fatal("no main.burn")
	}
	for end := time.Now().Add(time.Minute); s.p.ExePath() != next; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the program goes on")
		}
	}
	s.refreshed = time.Time{}
	if fr, m := s.Resolve(nil, 42); chain(fr) != "[unknown]" || m != -1 {
		t.Errorf("got %v in %d", fr, m)
	}
	if fr, m := s.Resolve(nil, pc+bias); fr[0].Func != "main.burn" || m != 0 {
		t.Errorf("got %s in %d", chain(fr), m)
	}
	for _, m := range s.Mappings() {
		if m.File == next {
			t.Errorf("the next program is among the mappings: %+v", m)
		}
	}
}
