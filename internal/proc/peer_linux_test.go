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
	check := func(what string, file interface{ File() (*os.File, error) }, want string) {
		t.Helper()
		f, err := file.File()
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		got, err := p.Peer(int(f.Fd()))
		if err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", what, got, err, want)
		}
	}
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
		prefix := map[bool]string{true: "unix:"}[network == "unix"]
		check(network+" connection", c.(interface{ File() (*os.File, error) }), prefix+l.Addr().String())
		check(network+" listener", l.(interface{ File() (*os.File, error) }), "accept "+prefix+l.Addr().String())
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if got, err := p.Peer(int(r.Fd())); got != "pipe" || err != nil {
		t.Errorf("pipe: %q, %v", got, err)
	}
	if _, err := p.Peer(1 << 20); err == nil {
		t.Error("a descriptor that is not open has a peer")
	}
}
