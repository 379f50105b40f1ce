package proc

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"io"
	"net/netip"
	"os"
	"sync"
	"time"
)

// Peer is who is at the other end of a file descriptor.
type Peer struct {
	// Addr is "10.0.0.7:5432" for a connected TCP or UDP socket, "accept 0.0.0.0:8080" for a
	// listening one, "unix:/run/x.sock", "unix" for an unnamed one, or what /proc calls a file that
	// is no socket ("pipe", "/dev/tty").
	Addr string
	// Client says that the process accepted the connection: Addr is a client's, or where a client
	// without a name of its own came in.
	Client bool
}

// String is the peer as a group: clients without their port, which is another one each time.
func (p Peer) String() string {
	if !p.Client {
		return p.Addr
	}
	if a, err := netip.ParseAddrPort(p.Addr); err == nil {
		return "client " + a.Addr().String()
	}
	return "client " + p.Addr
}

// listeners are the TCP ports at which somebody in the process's network namespace listens.
type listeners struct {
	mu    sync.Mutex
	ports map[int]bool
	at    time.Time
}

// believed is for how long the list of listening ports is taken as complete.
const believed = 20 * time.Millisecond

// listens says whether the port is one that TCP connections are accepted at.
func (p *Process) listens(port int) bool {
	l := &p.listening
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.ports[port] && time.Since(l.at) > believed {
		l.ports, l.at = make(map[int]bool), time.Now()
		for _, name := range []string{"tcp", "tcp6"} {
			if f, err := os.Open(p.path("net", name)); err == nil {
				readListeners(f, l.ports)
				f.Close()
			}
		}
	}
	return l.ports[port]
}

// readListeners reads /proc/PID/net/tcp as far as the listening sockets go. They come first
// (net/ipv4/tcp_ipv4.c, tcp_get_idx), so a hundred thousand connections cost nothing.
func readListeners(r io.Reader, ports map[int]bool) {
	const state, listen = 3, "0A"
	lines := bufio.NewScanner(r)
	lines.Scan() // the headline
	for lines.Scan() {
		f := bytes.Fields(lines.Bytes())
		if len(f) <= state || string(f[state]) != listen {
			return
		}
		_, port, _ := bytes.Cut(f[1], []byte(":"))
		if b, err := hex.DecodeString(string(port)); err == nil && len(b) == 2 {
			ports[int(b[0])<<8|int(b[1])] = true
		}
	}
}
