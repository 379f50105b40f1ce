package proc

import (
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestPeerOfConnecting has sockets whose connections nobody accepts: the queue for them is full.
func TestPeerOfConnecting(t *testing.T) {
	for network, any := range map[string]unix.Sockaddr{"tcp4": &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}},
		"tcp6": &unix.SockaddrInet6{Addr: [16]byte{15: 1}}} {
		family := map[string]int{"tcp4": unix.AF_INET, "tcp6": unix.AF_INET6}[network]
		full, err := unix.Socket(family, unix.SOCK_STREAM, 0)
		if err == nil {
			defer unix.Close(full)
			err = unix.Bind(full, any)
		}
		if err != nil {
			t.Logf("%s: %v", network, err) // a host without IPv6
			continue
		}
		if err := unix.Listen(full, 0); err != nil {
			t.Fatal(err)
		}
		at, err := unix.Getsockname(full)
		if err != nil {
			t.Fatal(err)
		}
		own := connects(t, family, at)
		p, err := Open(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		local, err := unix.Getsockname(own)
		if err != nil {
			t.Fatal(err)
		}
		got, err := p.Peer(own)
		if want := (Peer{Addr: address(at), Port: port(local)}); err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", network, got, err, want)
		}
	}
}

// connects returns a socket that waits for its connection.
func connects(t *testing.T, family int, to unix.Sockaddr) int {
	t.Helper()
	for range 8 { // the first ones find room in the queue
		fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(fd) })
		if err := unix.Connect(fd, to); err != nil && err != unix.EINPROGRESS {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond)
		if _, err := unix.Getpeername(fd); err == unix.ENOTCONN {
			return fd
		}
	}
	t.Fatal("all were connected")
	return -1
}
