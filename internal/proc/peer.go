package proc

import "net/netip"

// Peer is who is at the other end of a file descriptor.
type Peer struct {
	// Addr is "10.0.0.7:5432" for a connected TCP or UDP socket and for one that is being connected, "accept
	// 0.0.0.0:8080" for a listening one, "unix:/run/x.sock", "unix" for an unnamed one, or what /proc calls a file that
	// is no socket ("pipe", "/dev/tty").
	Addr string
	// Client says that the process accepted the connection: Addr is a client's, or where a client
	// without a name of its own came in. Of an internet socket nobody knows that who has not seen
	// the listening one at the same Port.
	Client bool
	// Port is the process's own port of an internet socket, 0 of others; Listens says that it is one
	// that connections are accepted at.
	Port    int
	Listens bool
}

// Listener is a socket of the process at which it accepts TCP connections.
type Listener struct {
	FD   int
	Addr netip.AddrPort
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
