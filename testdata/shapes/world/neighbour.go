package world

import (
	"context"
	"os"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Neighbour burns CPU in threads threads until ctx ends. Where it may, they go before others: a thread that sleeps most of the time is not
// starved otherwise by schedulers that count what each has used.
func Neighbour(ctx context.Context, threads int) {
	for range threads {
		go func() {
			runtime.LockOSThread()
			unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), -10)
			for x := uint64(1); ; x = x*6364136223846793005 + 1 {
				if x == 0 {
					os.Exit(1) // never: an odd number times an odd one
				}
			}
		}()
	}
	<-ctx.Done()
}

// Lock holds the lock of a file for 250 ms each second.
func Lock(ctx context.Context, name string) error {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	for sleep(ctx, 750*time.Millisecond) && err == nil {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
		time.Sleep(250 * time.Millisecond)
		unix.Flock(int(f.Fd()), unix.LOCK_UN)
	}
	return err
}

// Stop stops the process that started this one for 300 ms, every second.
func Stop(ctx context.Context) {
	pid := os.Getppid()
	for sleep(ctx, 700*time.Millisecond) && os.Getppid() == pid {
		syscall.Kill(pid, syscall.SIGSTOP)
		time.Sleep(300 * time.Millisecond)
		syscall.Kill(pid, syscall.SIGCONT)
	}
}
