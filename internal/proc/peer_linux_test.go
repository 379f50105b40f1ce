package proc

import (
	"net"
	"os"
	"path/filepath"
	"testing"
)

// The test process looks at its own descriptors, as it would at another's.
func TestPeer(t *testing.T) {
	p, err := Open(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	check := func(what string, file interface{ File() (*os.File, error) }, want Peer) {
		t.Helper()
		f, err := file.File()
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		got, err := p.Peer(int(f.Fd()))
		if err != nil || got != want {
			t.Errorf("%s: %#v, %v; want %#v", what, got, err, want)
		}
	}
	type file = interface{ File() (*os.File, error) }
	for _, network := range []string{"tcp4", "tcp6", "unix"} {
		at := map[string]string{"tcp4": "127.0.0.1:0", "tcp6": "[::1]:0", "unix": filepath.Join(t.TempDir(), "s")}[network]
		l, err := net.Listen(network, at)
		if err != nil {
			t.Logf("%s: %v", network, err) // a host without IPv6
			continue
		}
		defer l.Close()
		c, err := net.Dial(network, l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		accepted, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer accepted.Close()
		prefix, client := "", Peer{Addr: c.LocalAddr().String(), Port: portOf(l.Addr())}
		if network == "unix" {
			prefix, client = "unix:", Peer{Addr: "unix:" + l.Addr().String(), Client: true}
		}
		check(network+" connection", c.(file), Peer{Addr: prefix + l.Addr().String(), Port: portOf(c.LocalAddr())})
		check(network+" accepted", accepted.(file), client)
		check(network+" listener", l.(file), Peer{Addr: "accept " + prefix + l.Addr().String(), Port: portOf(l.Addr()), Listens: true})
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if got, err := p.Peer(int(r.Fd())); got.Addr != "pipe" || err != nil {
		t.Errorf("pipe: %+v, %v", got, err)
	}
	if _, err := p.Peer(1 << 20); err == nil {
		t.Error("a descriptor that is not open has a peer")
	}
}

func portOf(a net.Addr) int {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.Port
	}
	return 0
}

func TestPeerString(t *testing.T) {
	for p, want := range map[Peer]string{
		{Addr: "10.0.0.7:5432"}:               "10.0.0.7:5432",
		{Addr: "[::1]:4242", Client: true}:    "client ::1",
		{Addr: "10.0.0.9:4242", Client: true}: "client 10.0.0.9",
		{Addr: "unix:/s", Client: true}:       "client unix:/s",
	} {
		if p.String() != want {
			t.Errorf("%+v is %q, want %q", p, p, want)
		}
	}
}
