package self

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A helper of this test echoes what it is asked. It never ends by itself when it is asked to hang, and
// it crashes when it is asked to.
func TestMain(m *testing.M) {
	s, ok := Asked()
	if !ok {
		os.Exit(m.Run())
	}
	b, _ := io.ReadAll(s.Asks)
	switch string(b) {
	case "hang":
		time.Sleep(time.Hour)
	case "collect":
		collect()
	case "crash":
		panic("as asked")
	}
	fmt.Fprintf(s.Answers, "%d %s %s", s.Parent, os.Getenv(variable), b)
	Exit()
}

// collect collects garbage while a thread waits in the kernel, for ever, and keeps its P.
func collect() {
	var waiting atomic.Bool
	go func() {
		runtime.LockOSThread()
		for waiting.Store(true); ; {
			unix.RawSyscall6(unix.SYS_PPOLL, 0, 0, 0, 0, 0, 0)
			_ = time.Now() // where it begins it is seen that the world is to stop
		}
	}()
	for !waiting.Load() {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(10 * time.Millisecond)
	runtime.GC()
}

// The helper's threads keep their Ps while they wait for samples. What wakes them when the world is to be stopped is there in a helper
// of a program that does without, too.
func TestHelperOfProgramWithoutPreemption(t *testing.T) {
	for _, setting := range []string{"asyncpreemptoff=1", "gctrace=0,asyncpreemptoff=1", ""} {
		t.Setenv("GODEBUG", setting)
		h, err := Start()
		if err != nil {
			t.Fatal(err)
		}
		h.Asks.WriteString("collect")
		h.Asks.Close()
		h.Answers.SetReadDeadline(time.Now().Add(10 * time.Second)) // a collection takes a millisecond
		b, err := io.ReadAll(h.Answers)
		if err != nil || !strings.HasSuffix(string(b), " collect") {
			t.Errorf("%q: %q, %v", setting, b, err)
		}
		h.Close()
	}
}

// A helper that does not answer says where it is, in one line, whatever it is that keeps it; nobody waits longer for it, also when there
// is another process that has its end of the pipe.
func TestHelperThatIsGivenUp(t *testing.T) {
	for _, tt := range []struct {
		name string
		stop bool
		want []string
	}{
		{"hangs", false, []string{"did not answer for 1m0s", " S", "of CPU time", "sleep in profiler/internal/self.TestMain"}},
		{"is stopped", true, []string{"did not answer for 1m0s", " T", "and did not say where it is"}},
	} {
		h, err := Start()
		if err != nil {
			t.Fatal(err)
		}
		h.Asks.WriteString("hang")
		h.Asks.Close()
		for !strings.Contains(threadStates(h.PID), " S") { // it is at its beginning
			time.Sleep(time.Millisecond)
		}
		time.Sleep(100 * time.Millisecond)
		if tt.stop {
			unix.Kill(h.PID, unix.SIGSTOP)
			for !strings.Contains(threadStates(h.PID), " T") {
				time.Sleep(time.Millisecond)
			}
		}
		go h.GiveUp(time.Minute)
		if b, err := io.ReadAll(h.Answers); len(b) > 0 {
			t.Errorf("%s: %q, %v", tt.name, b, err)
		}
		text := h.Ended().Error()
		t.Log(text)
		for _, want := range tt.want {
			if !strings.Contains(text, want) {
				t.Errorf("%s: %q, want %q", tt.name, text, want)
			}
		}
		if strings.Contains(text, "\n") || len(text) > 1000 {
			t.Errorf("%s: %q is not one line", tt.name, text)
		}
	}
}

func TestHelperAnswers(t *testing.T) {
	h, err := Start()
	if err != nil {
		t.Fatal(err)
	}
	h.Asks.WriteString("hello")
	h.Asks.Close()
	b, err := io.ReadAll(h.Answers)
	if want := fmt.Sprintf("%d  hello", os.Getpid()); err != nil || string(b) != want {
		t.Errorf("%q, %v, want %q: the parent's pid, no variable left", b, err, want)
	}
	h.Close()
	h.Close()
	if unix.Kill(h.PID, 0) == nil {
		t.Error("the helper is there still")
	}
}

func TestHelperThatHangs(t *testing.T) {
	h, err := Start()
	if err != nil {
		t.Fatal(err)
	}
	h.Asks.WriteString("hang")
	h.Close()
	if unix.Kill(h.PID, 0) == nil {
		t.Error("the helper is there still")
	}
}

func TestHelperThatCrashes(t *testing.T) {
	h, err := Start()
	if err != nil {
		t.Fatal(err)
	}
	h.Asks.WriteString("crash")
	h.Asks.Close()
	io.ReadAll(h.Answers)
	if err := h.Ended(); !errors.Is(err, ErrEnded) || !strings.Contains(err.Error(), "panic: as asked") {
		t.Errorf("%v, want the panic", err)
	}
}

// The variable alone makes no helper of a process: the right parent and the pipes belong to it.
func TestVariableAlone(t *testing.T) {
	for _, pid := range []int{os.Getpid(), 1, -1} {
		c := exec.Command(os.Args[0], "-test.run=^$")
		c.Env = append(os.Environ(), variable+"="+strconv.Itoa(pid))
		out, err := c.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "PASS") {
			t.Errorf("variable %d: %v, %s", pid, err, out)
		}
	}
}

// A program with the set-user-ID bit is no helper, although all else is as it should be: who executes it could have it
// read what only its owner may.
func TestPrivilegedProgramIsNoHelper(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("a program with the rights of another user needs root to be made")
	}
	exe := filepath.Join(t.TempDir(), "privileged")
	b, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(exe, b, 0o755), os.Chmod(exe, 0o755|os.ModeSetuid)); err != nil {
		t.Fatal(err)
	}
	for dir := exe; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if st, err := os.Stat(dir); err == nil && st.IsDir() {
			os.Chmod(dir, 0o755)
		}
	}
	for name, uid := range map[string]uint32{"as root": 0, "as nobody": 65534} {
		asks, toAsk, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		answers, toAnswer, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		toAsk.WriteString("hello")
		toAsk.Close()
		c := exec.Command(exe, "-test.run=^$")
		c.Env = append(os.Environ(), variable+"="+strconv.Itoa(os.Getpid()))
		c.ExtraFiles = []*os.File{asks, toAnswer}
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
		out, err := c.CombinedOutput()
		toAnswer.Close()
		asks.Close()
		answer, _ := io.ReadAll(answers)
		if err != nil {
			t.Fatalf("%s: %v, %s", name, err, out)
		}
		if helped := len(answer) > 0; helped != (uid == 0) {
			t.Errorf("%s: answered %q, printed %q", name, answer, out)
		}
	}
}
