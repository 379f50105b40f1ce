package self

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
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
	case "crash":
		panic("as asked")
	}
	fmt.Fprintf(s.Answers, "%d %s %s", s.Parent, os.Getenv(variable), b)
	Exit()
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
