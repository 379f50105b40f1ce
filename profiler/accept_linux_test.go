package profiler

import (
	"context"
	"net"
	"os"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/proc"
)

// TestAcceptors has two connections that nobody accepts, and then a socket that is closed.
func TestAcceptors(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for range 2 {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	p, err := proc.Open(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	a := &acceptors{target: p}
	ctx, cancel := context.WithCancel(t.Context())
	end := beside(ctx, a.run)
	defer end()
	defer cancel()
	seen := int64(0)
	for at := time.Now(); seen == 0 && time.Since(at) < 10*time.Second; time.Sleep(acceptEvery) {
		for _, q := range a.take() {
			if q.Addr != l.Addr().String() {
				continue
			}
			if seen = q.Ticks; q.Waiting != q.Ticks || q.Most != 2 || q.Sum != 2*q.Ticks {
				t.Errorf("%+v: want two in each look", q)
			}
		}
	}
	if seen == 0 {
		t.Error("nobody looked")
	}
	l.Close()
	time.Sleep(3 * acceptEvery)
	a.take()
	time.Sleep(3 * acceptEvery)
	for _, q := range a.take() {
		if q.Addr == l.Addr().String() {
			t.Errorf("%+v of a socket that is closed", q)
		}
	}
}
