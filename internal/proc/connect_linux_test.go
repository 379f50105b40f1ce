package proc

import (
	"maps"
	"net/netip"
	"os"
	"strings"
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
		own, other := connects(t, family, at), connects(t, family, at)
		p, err := Open(os.Getpid()) // a new one has not read the table just now
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
		if got, err := p.Peer(other); err != nil || got.Addr != address(at) { // at once: the same reading knows it
			t.Errorf("%s: another: %+v, %v", network, got, err)
		}
		if got, err := p.Peer(connects(t, family, at)); err == nil && got.Addr != address(at) { // not known, or right: never unconnected
			t.Errorf("%s: a later one: %+v", network, got)
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

func TestAddDialled(t *testing.T) {
	const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:0CEA 00000000:0000 0A 00000000:00000000 00:00000000 00000000   999        0 17 1 0000000000000000 100 0 0 10 0
   1: 0100007F:9C40 0200000A:1538 02 00000001:00000000 01:00000019 00000002     0        0 4242 2 0000000000000000 200 0 0 1 -1
   2: 0100007F:9C41 02x0000A:1538 02 00000001:00000000 01:00000019 00000002     0        0 4243 2 0000000000000000
   3: 00000000000000000000000001000000:C350 B80D0120000000000000000001000000:01BB 02 0:0 0:0 0 0 0 4244
`
	got := map[uint64]netip.AddrPort{}
	addDialled(got, strings.NewReader(table))
	want := map[uint64]netip.AddrPort{4242: netip.MustParseAddrPort("10.0.0.2:5432"), 4244: netip.MustParseAddrPort("[2001:db8::1]:443")}
	if !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
