package main

import (
	"errors"
	"os"
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
