// Command peers has goroutines that wait for files: connections of TCP and unix sockets, to read and
// to write, listeners, a pipe. Some wait all the time, some play ping-pong.
//
// Each waits under pprof labels that are its truth: "peer" is who it waits for as a profile says it,
// "addr" is the exact address, "io" is "read" or "write", or "either" of
// those who play.
package main

import (
	"context"
	"flag"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime/pprof"
	"time"

	"github.com/mayfly-profiler/mayfly/testdata/run"
)

// wait runs f in a goroutine labelled with what it waits for.
func wait[T any](peer, addr, rw string, c T, f func(T)) {
	go pprof.Do(context.Background(), pprof.Labels("peer", peer, "addr", addr, "io", rw), func(context.Context) { f(c) })
}

func listen(network, addr string) net.Listener {
	l, err := net.Listen(network, addr)
	run.Check(err)
	return l
}

// pair is a connection and its accepted end.
func pair(l net.Listener) (dialled, accepted net.Conn) {
	done := make(chan net.Conn)
	go func() {
		c, err := l.Accept()
		run.Check(err)
		done <- c
	}()
	c, err := net.Dial(l.Addr().Network(), l.Addr().String())
	run.Check(err)
	return c, <-done
}

func read(c net.Conn) { io.Copy(io.Discard, c) }
func write(c net.Conn) { // until nothing more fits, then for ever
	for buf := make([]byte, 1<<16); ; {
		if _, err := c.Write(buf); err != nil {
			return
		}
	}
}

// echo answers every byte after a pause; play sends and reads.
func echo(c net.Conn) {
	for b := make([]byte, 1); ; {
		if _, err := c.Read(b); err != nil {
			return
		}
		time.Sleep(3 * time.Millisecond)
		c.Write(b)
	}
}

func play(c net.Conn) {
	for b := make([]byte, 1); ; {
		c.Write(b)
		if _, err := c.Read(b); err != nil {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

func main() {
	n := flag.Int("n", 4, "connections of each kind")
	dir := flag.String("dir", ".", "folder for the unix socket")
	flag.Parse()
	for _, network := range []string{"tcp4", "tcp6", "unix"} {
		at := map[string]string{"tcp4": "127.0.0.1:0", "tcp6": "[::1]:0", "unix": filepath.Join(*dir, "s")}[network]
		if network == "tcp6" {
			l, err := net.Listen(network, at)
			if err != nil {
				continue // a host without IPv6
			}
			l.Close()
		}
		l := listen(network, at)
		host, client := l.Addr().String(), ""
		if tcp, ok := l.Addr().(*net.TCPAddr); ok {
			client = "client " + tcp.IP.String()
		} else {
			host = "unix:" + host
			client = "client " + host
		}
		time.Sleep(100 * time.Millisecond)
		addr := func(accepted net.Conn) string {
			if network == "unix" {
				return host
			}
			return accepted.RemoteAddr().String()
		}
		for range make([]struct{}, *n) {
			d, a := pair(l)
			wait(host, host, "read", d, read)
			wait(client, addr(a), "read", a, read)
			d, a = pair(l)
			wait(host, host, "write", d, write)
			d, a = pair(l)
			wait(client, addr(a), "write", a, write)
			d, a = pair(l)
			wait(host, host, "either", d, play)
			wait(client, addr(a), "either", a, echo)
		}
		wait("accept "+host, "accept "+host, "read", l, func(l net.Listener) { l.Accept() })
	}
	r, _, err := os.Pipe()
	run.Check(err)
	wait("pipe", "pipe", "read", r, func(r *os.File) { io.Copy(io.Discard, r) })
	time.Sleep(300 * time.Millisecond) // until the writers' buffers are full
	run.Ready()
	run.Wait()
	run.Truth(map[string]interface{}{})
}
