package main

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"
	"time"
)

// One process that does not answer in time is not waited for twice, and one that is only slow, as on a busy machine, is in
// the list where it belongs.
func TestInspectAll(t *testing.T) {
	const slow, stuck, wrong = 1 << 30, 1<<30 + 1, 1<<30 + 2 // no process has them
	ever := make(chan int)
	defer close(ever)
	late := errors.New("none")
	got := inspectAll([]int{slow, os.Getpid(), stuck, 1, wrong}, func(pid int) (int, error) {
		switch pid {
		case slow:
			time.Sleep(inspectTime + inspectTime/3)
		case stuck:
			<-ever
		case wrong:
			return 0, late
		}
		return pid, nil
	})
	want := []answer[int]{{slow, slow, nil}, {stuck, 0, os.ErrDeadlineExceeded}, {1, 1, nil}, {wrong, 0, late}}
	if len(got) != len(want) {
		t.Fatalf("%v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%d: %v, want %v", i, got[i], want[i])
		}
	}
}

// That there is no Go process is only said where all were looked into.
func TestListRemark(t *testing.T) {
	for _, tt := range []struct {
		l    listing
		want string
	}{
		{listing{}, "mayfly: no Go process found\n"},
		{listing{Denied: 56}, "none of those that could be looked into is a Go process\n"},
		{listing{Stuck: 1}, "none of those that could be looked into is a Go process\n"},
		{listing{Processes: make([]goProcess, 1)}, ""},
	} {
		var b bytes.Buffer
		tt.l.remark(&env{stderr: &b})
		got, all := b.String(), tt.l.Denied+tt.l.Stuck == 0
		if !strings.HasSuffix(got, tt.want) || tt.want == "" && got != "" || !all && strings.Contains(got, "process found") {
			t.Errorf("%+v: %q, want %q", tt.l, got, tt.want)
		}
	}
}

// A thread of the kernel lives, and is no Go program.
func TestKernelThread(t *testing.T) {
	const kthreadd = "/proc/2/"
	if comm, err := os.ReadFile(kthreadd + "comm"); err != nil || string(comm) != "kthreadd\n" {
		return // a container has none
	}
	t.Chdir(t.TempDir()) // record finds out whether it could write there
	for _, args := range [][]string{{"record", "-p", "2"}, {"dump", "-p", "2"}} {
		err := run(t.Context(), &env{stdout: &bytes.Buffer{}, stderr: &bytes.Buffer{}, getenv: os.Getenv}, args)
		if want := args[0] + " 2 (kthreadd): goruntime: not a Go executable: it is a thread of the kernel"; err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", args, err, want)
		}
	}
}
