package proc

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"
)

// TestMain doubles as the observed program: a copy of the test binary, started with
// MAYFLY_PROC_CHILD set, prints "ready" and waits for its input to end.
func TestMain(m *testing.M) {
	if os.Getenv("MAYFLY_PROC_CHILD") != "" {
		os.Stdout.WriteString("ready\n")
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child starts a copy of this test binary and returns it with the function that ends it.
func child(t *testing.T) (p *Process, exe string, end func()) {
	t.Helper()
	exe = filepath.Join(t.TempDir(), "child")
	b, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(exe, b, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), "MAYFLY_PROC_CHILD=1")
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	end = func() { in.Close(); cmd.Wait() }
	t.Cleanup(end)
	if _, err := io.ReadFull(out, make([]byte, 6)); err != nil {
		t.Fatal(err)
	}
	p, err = Open(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p, exe, end
}

func TestLiveProcess(t *testing.T) {
	p, exe, end := child(t)
	if !p.Alive() || !p.HasProgram() || p.Comm() != "child" || !slices.Equal(p.Cmdline(), []string{exe}) {
		t.Errorf("alive %v, comm %q, cmdline %q", p.Alive(), p.Comm(), p.Cmdline())
	}
	if u, err := p.UID(); u != os.Geteuid() || err != nil {
		t.Errorf("uid %d, %v", u, err)
	}
	if th, err := p.Threads(nil); !slices.Contains(th, p.PID()) || err != nil {
		t.Errorf("threads %v, %v", th, err)
	}
	if d, err := p.CPU(); d <= 0 || d > time.Minute || err != nil {
		t.Errorf("cpu %v, %v", d, err)
	}
	if pids, err := List(); !slices.Contains(pids, p.PID()) || err != nil {
		t.Errorf("list %v, %v", pids, err)
	}
	select {
	case <-p.Exited():
		t.Fatal("exited while alive")
	case <-time.After(20 * time.Millisecond):
	}
	end()
	<-p.Exited()
	if p.Alive() || p.HasProgram() {
		t.Error("alive after exit")
	}
	for name, err := range afterExit(p) {
		if !errors.Is(err, ErrNoProcess) {
			t.Errorf("%s after exit: got %v, want %v", name, err, ErrNoProcess)
		}
	}
}

func afterExit(p *Process) map[string]error {
	_, maps := p.Maps()
	_, threads := p.Threads(nil)
	_, cpu := p.CPU()
	_, exe := p.Exe()
	_, open := Open(p.PID())
	_, mem := p.Mem().ReadAt(make([]byte, 1), 4096)
	return map[string]error{"maps": maps, "threads": threads, "cpu": cpu, "exe": exe, "open": open, "mem": mem}
}

// TestZombieCPU asks for the CPU time of a process that has ended and was not reaped.
func TestZombieCPU(t *testing.T) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), "MAYFLY_PROC_CHILD=1")
	in, _ := cmd.StdinPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	p, err := Open(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	in.Close()
	<-p.Exited()
	if d, err := p.CPU(); d <= 0 || err != nil {
		t.Errorf("cpu of a zombie: %v, %v", d, err)
	}
}

func TestOpenMissing(t *testing.T) {
	for _, pid := range []int{0, -1, 1 << 30} {
		if _, err := Open(pid); !errors.Is(err, ErrNoProcess) {
			t.Errorf("%d: got %v, want %v", pid, err, ErrNoProcess)
		}
	}
}

// TestCloseEndsWatch closes a Process while someone waits for its end.
func TestCloseEndsWatch(t *testing.T) {
	p, err := Open(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	ch := p.Exited()
	p.Close()
	select {
	case <-ch:
		t.Error("closing looks like the end of the process")
	case <-time.After(20 * time.Millisecond):
	}
}

func TestMemory(t *testing.T) {
	p, err := Open(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	want := bytes.Repeat([]byte("mayfly"), 1000)
	addr := uint64(uintptr(unsafe.Pointer(&want[0])))
	got := make([]byte, len(want))
	if n, err := p.Mem().ReadAt(got, int64(addr)); n != len(got) || err != nil || !bytes.Equal(got, want) {
		t.Errorf("read %d, %v", n, err)
	}
	if _, err := p.Mem().ReadAt(got, 8); !errors.Is(err, ErrFault) {
		t.Errorf("page zero: %v", err)
	}
	if _, err := p.Mem().ReadAt(got, -8); !errors.Is(err, ErrFault) {
		t.Errorf("kernel half: %v", err)
	}
	ps := []Piece{
		{Addr: addr, Buf: make([]byte, 6)}, {Addr: 8, Buf: make([]byte, 8)},
		{Addr: 0, Buf: nil}, {Addr: addr + 6, Buf: make([]byte, 3)}, {Addr: 1 << 62, Buf: make([]byte, 1)},
	}
	if err := p.Mem().(Gatherer).Gather(ps); err != nil {
		t.Fatal(err)
	}
	if !ps[0].OK || ps[1].OK || !ps[2].OK || !ps[3].OK || ps[4].OK || string(ps[0].Buf)+string(ps[3].Buf) != "mayflymay" {
		t.Errorf("gathered %+v", ps)
	}
	many := make([]Piece, 3*maxVec)
	for i := range many {
		many[i] = Piece{Addr: addr, Buf: make([]byte, 1)}
	}
	if err := p.Mem().(Gatherer).Gather(many); err != nil || !many[len(many)-1].OK {
		t.Errorf("many: %v", err)
	}
}

// mapped returns the executable mapping of the process's own binary.
func mapped(t *testing.T, p *Process, exe string) Mapping {
	t.Helper()
	maps, err := p.Maps()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range maps {
		if m.Exec && m.Path == exe {
			return m
		}
	}
	t.Fatalf("%s is not mapped", exe)
	return Mapping{}
}

// TestOpenMapping reaches the binary of a live process before and after its file was replaced and
// deleted.
func TestOpenMapping(t *testing.T) {
	p, exe, _ := child(t)
	check := func(what string, f *os.File, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", what, err)
			return
		}
		defer f.Close()
		var magic [4]byte
		if _, err := f.ReadAt(magic[:], 0); err != nil || string(magic[:]) != "\x7fELF" {
			t.Errorf("%s: read %q, %v", what, magic, err)
		}
	}
	m := mapped(t, p, exe)
	f, err := p.OpenMapping(m)
	check("present", f, err)
	f, err = p.openExe(m)
	check("exe", f, err)
	f, err = p.openPath(m)
	check("path", f, err)

	if err := os.Rename(exe, exe+".old"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(exe, []byte("something else"), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err = p.OpenMapping(m)
	check("replaced", f, err)
	if _, err := p.openPath(m); !errors.Is(err, ErrReplaced) {
		t.Errorf("replaced, by path: got %v, want %v", err, ErrReplaced)
	}
	os.Remove(exe + ".old")
	m = mapped(t, p, strings.TrimSuffix(exe+".old", " (deleted)"))
	if !m.Deleted {
		t.Errorf("not marked as deleted: %+v", m)
	}
	f, err = p.OpenMapping(m)
	check("deleted", f, err)
	f, err = p.openExe(m)
	check("deleted, by exe", f, err)
	if _, err := p.OpenMapping(Mapping{Path: "[vdso]"}); err == nil {
		t.Error("the vdso has no file")
	}
}

func TestHostRights(t *testing.T) {
	r, err := HostRights()
	if err != nil || r.Kernel == "" {
		t.Errorf("got %+v, %v", r, err)
	}
}
