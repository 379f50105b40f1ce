// Command calls has goroutines that are blocked in system calls, each under the pprof label "call",
// the name of its system call.
package main

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"syscall"
	"time"

	"github.com/mayfly-profiler/mayfly/testdata/run"
)

func block(call string, f func()) {
	go pprof.Do(context.Background(), pprof.Labels("call", call), func(context.Context) { f() })
}

func main() {
	var pipe [2]int
	run.Check(syscall.Pipe(pipe[:]))
	dir, err := os.MkdirTemp("", "calls")
	run.Check(err)
	defer os.RemoveAll(dir)
	lock := func() *os.File {
		f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
		run.Check(err)
		return f
	}
	mine, theirs := lock(), lock()
	run.Check(syscall.Flock(int(mine.Fd()), syscall.LOCK_EX))
	child, err := os.StartProcess("/bin/sleep", []string{"sleep", "600"}, &os.ProcAttr{})
	run.Check(err)
	defer child.Kill()
	poll, err := syscall.EpollCreate1(0)
	run.Check(err)

	block("read", func() { syscall.Read(pipe[0], make([]byte, 1)) })
	block("flock", func() { syscall.Flock(int(theirs.Fd()), syscall.LOCK_EX) })
	block("wait4", func() { syscall.Wait4(child.Pid, nil, 0, nil) })
	wait := "epoll_wait"
	if runtime.GOARCH == "arm64" { // which has no such call
		wait = "epoll_pwait"
	}
	block(wait, func() { syscall.EpollWait(poll, make([]syscall.EpollEvent, 1), -1) })
	block("nanosleep", func() { // short ones: the thread is as often on its way in or out
		for !run.Stopped() {
			t := syscall.NsecToTimespec(int64(3 * time.Millisecond))
			syscall.Nanosleep(&t, nil)
		}
	})
	time.Sleep(50 * time.Millisecond)
	run.Ready()
	run.Wait()
	child.Kill()
	os.RemoveAll(dir)
	run.Truth(map[string]interface{}{})
}
