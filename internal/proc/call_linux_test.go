package proc

import (
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestCallName(t *testing.T) {
	for nr, want := range map[int]string{-1: "", unix.SYS_FSYNC: "fsync", unix.SYS_READ: "read", unix.SYS_FUTEX: "futex", 1 << 15: "32768"} {
		if got := CallName(nr); got != want {
			t.Errorf("%d is %q, want %q", nr, got, want)
		}
	}
}

func TestCall(t *testing.T) {
	p, err := Open(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var fds [2]int
	if err := syscall.Pipe(fds[:]); err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fds[0])
	tid := make(chan int)
	go func() {
		runtime.LockOSThread()
		tid <- unix.Gettid()
		syscall.Read(fds[0], make([]byte, 1))
	}()
	reader := uint32(<-tid)
	for end := time.Now().Add(10 * time.Second); p.Call(reader) != unix.SYS_READ; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("a thread that reads from an empty pipe is in system call %d", p.Call(reader))
		}
	}
	syscall.Close(fds[1])
	if nr := p.Call(1 << 30); nr != -1 {
		t.Errorf("a thread that does not exist is in system call %d", nr)
	}
}
