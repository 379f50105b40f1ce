//go:build amd64 || arm64

package bpf

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cilium/ebpf"

	"github.com/mayfly-profiler/mayfly/internal/proc"
)

// bell rings when the kernel has put something into a ring buffer that is not to wait, through the network
// poller. A thread that slept in epoll_wait itself would keep its P until the runtime's monitor takes
// it away, some 20 times a second, and each time the monitor then looks every 20 us for more of the
// kind: that took 2 to 4 % of a core.
type bell struct {
	file  *os.File
	conn  syscall.RawConn
	alarm *proc.Alarm
	idle  func() bool  // whether there is nothing to do at the end of a period, asked on another goroutine; nil: there always is
	d     atomic.Int64 // the period, ns
}

func newBell(ring *ebpf.Map) (*bell, error) {
	fd, err := unix.FcntlInt(uintptr(ring.FD()), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("ring buffer: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("ring buffer: %w", err)
	}
	b := &bell{file: os.NewFile(uintptr(fd), "ring buffer")}
	if b.conn, err = b.file.SyscallConn(); err == nil {
		err = b.file.SetReadDeadline(time.Time{}) // fails if the poller does not take it
	}
	if err != nil {
		b.close()
		return nil, fmt.Errorf("ring buffer: %w", err)
	}
	b.alarm = proc.NewAlarm(b.over)
	return b, nil
}

// wait returns when the kernel or ring has rung, at the end of the period d that goes on, if there is something to do by then, or when ctx
// has ended; at once when asked says that there is. What ring is for must be visible to it before. Periods are the same for all bells, and
// may last for a quarter longer until the process has something else to do: those of twenty targets wake it once, or not at all.
func (b *bell) wait(ctx context.Context, d time.Duration, asked func() bool) {
	b.file.SetReadDeadline(time.Time{})
	b.d.Store(int64(d))
	b.set()
	if ctx.Err() != nil || asked() {
		return
	}
	woken := false
	_ = b.conn.Read(func(uintptr) bool { // an error is that somebody has rung
		was := woken
		woken = true
		return was
	})
}

// set has the alarm ring at the end of the period that goes on.
func (b *bell) set() {
	now, period := proc.Monotonic(), b.d.Load()
	end := now - now%period + period
	b.alarm.Set(end, end+period/4)
}

// over is for the end of a period.
func (b *bell) over() {
	if b.idle != nil && b.idle() {
		b.set()
	} else {
		b.ring()
	}
}

// ring ends a wait.
func (b *bell) ring() { b.file.SetReadDeadline(time.Unix(1, 0)) }

func (b *bell) close() error {
	if b == nil {
		return nil
	}
	if b.alarm != nil {
		b.alarm.Close()
	}
	return b.file.Close()
}
