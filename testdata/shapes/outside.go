package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime/trace"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mayfly-profiler/mayfly/testdata/shapes/run"
)

// download sends 16 MB to whoever asks for a large one; some clients read slowly.
func download(e *env) http.HandlerFunc {
	file, s := make([]byte, 16<<20), newReports(e)
	return func(w http.ResponseWriter, r *http.Request) {
		s.item(r.Context())
		n := 1000
		if isLarge(r) {
			n = len(file)
		}
		send(w, file[:n])
	}
}

//go:noinline
func send(w io.Writer, b []byte) { w.Write(b) }

// upload reads the body; some clients send it slowly.
func upload(e *env) http.HandlerFunc {
	s := newReports(e)
	return func(w http.ResponseWriter, r *http.Request) {
		s.item(r.Context())
		reply(w, receive(r))
	}
}

//go:noinline
func receive(r *http.Request) error {
	_, err := io.Copy(io.Discard, r.Body)
	return err
}

// naps is slow on purpose.
func naps(e *env) http.HandlerFunc {
	s := newReports(e)
	return func(w http.ResponseWriter, r *http.Request) {
		err := s.item(r.Context())
		if isLarge(r) {
			nap()
		}
		reply(w, err)
	}
}

//go:noinline
func nap() { time.Sleep(250 * time.Millisecond) }

// converter runs a program for large requests.
func converter(e *env) http.HandlerFunc {
	s := newReports(e)
	return func(w http.ResponseWriter, r *http.Request) {
		err := s.item(r.Context())
		if isLarge(r) {
			err = convert(r.Context())
		}
		reply(w, err)
	}
}

//go:noinline
func convert(ctx context.Context) error { return exec.CommandContext(ctx, "sleep", "0.25").Run() }

// ledger is a file that another process locks now and then.
func ledger(e *env) http.HandlerFunc {
	f := scratch()
	_, err := e.start("locker", nil, "-file", fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), f.Fd()))
	run.Check(err)
	s := newReports(e)
	return func(w http.ResponseWriter, r *http.Request) {
		s.item(r.Context())
		mine, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", f.Fd())) // the lock is an open file's
		if err == nil {
			err = entry(mine)
			mine.Close()
		}
		reply(w, err)
	}
}

//go:noinline
func entry(f *os.File) error {
	for {
		if err := unix.Flock(int(f.Fd()), unix.LOCK_SH); err != unix.EINTR {
			return err
		}
	}
}

// parcels come by a POST, which does not wait until one of the consumers has done it. A task each.
type parcels struct {
	queue  chan bool
	client *http.Client
	e      *env
}

func (p *parcels) consume() {
	for large := range p.queue {
		p.deliver(large)
	}
}

//go:noinline
func (p *parcels) deliver(large bool) {
	ctx, task := trace.NewTask(context.Background(), "parcel")
	defer task.End()
	ms := 5
	if large {
		ms = 250
	}
	p.carry(ctx, ms)
}

//go:noinline
func (p *parcels) carry(ctx context.Context, ms int) error {
	_, err := ask(ctx, p.client, p.e.url("http", ms))
	return err
}

func consumers(e *env) http.HandlerFunc {
	p := &parcels{make(chan bool, 1000), client(), e}
	for range 20 {
		go p.consume()
	}
	return func(w http.ResponseWriter, r *http.Request) {
		p.queue <- isLarge(r)
		reply(w, nil)
	}
}

// overUnix asks an upstream by a unix socket.
func overUnix(e *env) http.HandlerFunc {
	t := &http.Transport{MaxIdleConnsPerHost: 1000, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", e.peers["unix"])
	}}
	return (&weather{&http.Client{Transport: t}, e, "unix"}).handle
}
