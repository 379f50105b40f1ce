package bpf_test

import (
	"context"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/internal/source/bpf"
	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/testdata/run"
)

// TestArrivals has this process read from a connection some time after each message was sent. What is said of when it came in and was
// read lies between what both ends know.
func TestArrivals(t *testing.T) {
	a := openArrivals(t)
	defer a.Close()
	ctx, cancel := context.WithCancel(t.Context())
	var got []bpf.Arrival
	var wg sync.WaitGroup
	wg.Go(func() {
		lost, err := a.Run(ctx, func(in bpf.Arrival) { got = append(got, in) })
		if err != nil || lost > 0 {
			t.Errorf("%d lost, %v", lost, err)
		}
	})
	const messages = 10
	goid, sent, taken := exchange(t, messages)
	cancel()
	wg.Wait()
	var mine []bpf.Arrival
	for _, in := range got {
		if in.Goid == goid {
			mine = append(mine, in)
		}
	}
	if len(mine) != messages {
		t.Fatalf("%d arrivals of goroutine %d among %d, want %d", len(mine), goid, len(got), messages)
	}
	apart := int64(0)
	if target.Emulated() { // the clocks of its processors are not the same; what is read comes a millisecond before that
		apart = 200_000
	}
	for i, in := range mine {
		if in.Came < sent[i]-apart || in.Read < taken[i][0]-apart || in.Read > taken[i][1]+apart || in.Came > taken[i][0]+apart {
			t.Errorf("message %d came at %d and was read at %d; it was sent after %d, was there at %d, and was read by %d",
				i, in.Came, in.Read, sent[i], taken[i][0], taken[i][1])
		}
	}
}

func openArrivals(t *testing.T) *bpf.Arrivals {
	t.Helper()
	p, err := proc.Open(os.Getpid())
	check(t, err)
	t.Cleanup(func() { p.Close() })
	exe, err := os.Open("/proc/self/exe")
	check(t, err)
	defer exe.Close()
	l, err := goruntime.Read(exe)
	check(t, err)
	a, err := bpf.OpenArrivals(p, l)
	target.NeedKernel(t, err) // Linux 6.3
	return a
}

// exchange sends messages over a connection of TCP, after one that makes it known. It returns who read them, and by CLOCK_MONOTONIC before
// when each was not sent, and before and after its reading.
func exchange(t *testing.T, messages int) (goid uint64, sent []int64, taken [][2]int64) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	check(t, err)
	defer c.Close()
	s, err := l.Accept()
	check(t, err)
	defer s.Close()
	b := make([]byte, 16)
	_, err = c.Write(b[:1])
	check(t, err)
	_, err = s.Read(b)
	check(t, err)
	for range messages {
		sent = append(sent, proc.Monotonic())
		_, err = c.Write(b[:1])
		check(t, err)
		await(t, s)
		time.Sleep(time.Millisecond)
		begin := proc.Monotonic()
		_, err = s.Read(b)
		check(t, err)
		taken = append(taken, [2]int64{begin, proc.Monotonic()})
	}
	return run.Goid(), sent, taken
}

// await returns when a connection has something to read.
func await(t *testing.T, c net.Conn) {
	raw, err := c.(*net.TCPConn).SyscallConn()
	check(t, err)
	check(t, raw.Control(func(fd uintptr) {
		for err = unix.EINTR; err == unix.EINTR; {
			_, err = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1)
		}
	}))
	check(t, err)
}
