package main

import (
	"context"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/mayfly-profiler/mayfly/testdata/run"
)

func cpu(ctx context.Context) {
	everyone.start(ctx, 2, "burn", forever(func() { burn(100) }))
	everyone.start(ctx, 2, "duty", forever(func() { burn(50); time.Sleep(2 * time.Millisecond) }))
	everyone.start(ctx, 2, "call", forever(func() {
		burn(20)
		nap := syscall.NsecToTimespec(int64(3 * time.Millisecond))
		syscall.Nanosleep(&nap, nil)
	}))
	zero, err := os.Open("/dev/zero")
	run.Check(err)
	buf := make([]byte, 4<<20)
	everyone.start(ctx, 1, "kernel", forever(func() {
		zero.Read(buf)
		time.Sleep(3 * time.Millisecond)
	}))
}

func locks(ctx context.Context) {
	var mu sync.Mutex
	everyone.start(ctx, 4, "mutex", forever(func() {
		mu.Lock()
		burn(20)
		mu.Unlock()
		burn(10)
	}))
	var rw sync.RWMutex
	everyone.start(ctx, 2, "reader", forever(func() { rw.RLock(); burn(10); rw.RUnlock(); time.Sleep(time.Millisecond) }))
	everyone.start(ctx, 1, "writer", forever(func() { rw.Lock(); burn(30); rw.Unlock(); time.Sleep(time.Millisecond) }))
	c := make(chan int)
	everyone.start(ctx, 1, "sender", forever(func() {
		burn(5)
		select {
		case c <- 1:
		case <-time.After(100 * time.Millisecond): // nobody receives any more
		}
	}))
	everyone.start(ctx, 1, "receiver", forever(func() {
		select {
		case <-c:
		case <-time.After(100 * time.Millisecond):
		}
		burn(15)
	}))
	condition(ctx)
}

// condition is a queue with a condition variable: one who fills it and two who wait for that.
func condition(ctx context.Context) {
	var mu sync.Mutex
	cond := sync.NewCond(&mu)
	queue := 0
	everyone.start(ctx, 1, "filler", func(ctx context.Context) {
		for !run.Stopped() {
			time.Sleep(2 * time.Millisecond)
			mu.Lock()
			queue++
			mu.Unlock()
			cond.Signal()
		}
		cond.Broadcast()
	})
	everyone.start(ctx, 2, "taker", forever(func() {
		mu.Lock()
		for queue == 0 && !run.Stopped() {
			cond.Wait()
		}
		queue--
		mu.Unlock()
		burn(20)
	}))
}

const size = 512 // of a request and of an answer

func network(ctx context.Context) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	run.Check(err)
	everyone.start(ctx, 1, "accept", func(ctx context.Context) {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			everyone.start(ctx, 1, "server", func(ctx context.Context) { serve(conn, 20) })
		}
	})
	for i := 0; i < 6; i++ {
		conn, err := net.Dial("tcp", l.Addr().String())
		run.Check(err)
		everyone.start(ctx, 1, "client", func(ctx context.Context) {
			defer conn.Close()
			forever(func() { request(conn); burn(5) })(ctx)
		})
	}
	short, err := net.Listen("tcp", "127.0.0.1:0")
	run.Check(err)
	everyone.start(ctx, 1, "spawn", func(ctx context.Context) {
		for {
			conn, err := short.Accept()
			if err != nil {
				return
			}
			everyone.start(ctx, 1, "handler", func(ctx context.Context) { serve(conn, 60) })
		}
	})
	everyone.start(ctx, 2, "dialer", forever(func() {
		conn, err := net.Dial("tcp", short.Addr().String())
		run.Check(err)
		request(conn)
		conn.Close()
		time.Sleep(5 * time.Millisecond)
	}))
	everyone.start(ctx, 1, "closer", func(ctx context.Context) {
		for !run.Stopped() {
			time.Sleep(20 * time.Millisecond)
		}
		time.Sleep(100 * time.Millisecond) // for the last ones to dial
		l.Close()
		short.Close()
	})
}

func request(conn net.Conn) {
	var b [size]byte
	if _, err := conn.Write(b[:]); err == nil {
		io.ReadFull(conn, b[:])
	}
}

// serve answers until the other side closes: some work, and a wait for something far away.
func serve(conn net.Conn, work int) {
	defer conn.Close()
	var b [size]byte
	for {
		if _, err := io.ReadFull(conn, b[:]); err != nil {
			return
		}
		burn(work)
		time.Sleep(time.Millisecond)
		if _, err := conn.Write(b[:]); err != nil {
			return
		}
	}
}
