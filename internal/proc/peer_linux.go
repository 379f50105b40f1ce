package proc

import (
	"fmt"
	"net/netip"
	"strings"

	"golang.org/x/sys/unix"
)

// Peer says who is at the other end of one of the process's file descriptors.
//
// It duplicates the descriptor into this process for a moment (pidfd_getfd(2), Linux 5.6), which
// needs the right to ptrace the process; the process does not notice.
func (p *Process) Peer(fd int) (Peer, error) {
	own, err := p.fd.take(fd)
	if err != nil {
		return Peer{}, p.deny(fmt.Sprintf("fd %d (pidfd_getfd)", fd), err)
	}
	defer unix.Close(own)
	remote, err := unix.Getpeername(own)
	switch err {
	case nil:
		return connected(own, remote), nil
	case unix.ENOTSOCK:
		return Peer{Addr: p.fileName(own)}, nil
	case unix.ENOTCONN:
		return unconnected(own)
	}
	return Peer{}, fmt.Errorf("proc: peer of fd %d of %d: %w", fd, p.pid, err)
}

// take duplicates a descriptor of the process.
func (f pidfd) take(fd int) (own int, err error) {
	if f.handle == nil {
		return -1, fmt.Errorf("%w: pidfd_open needs Linux 5.3 and a sandbox that allows it", unix.ENOSYS)
	}
	c, err := f.file.SyscallConn()
	if err != nil {
		return -1, err
	}
	if cerr := c.Control(func(pfd uintptr) { own, err = unix.PidfdGetfd(int(pfd), fd, 0) }); cerr != nil {
		return -1, cerr
	}
	return own, err
}

// connected describes a socket with a peer.
func connected(fd int, remote unix.Sockaddr) Peer {
	peer := Peer{Addr: address(remote)}
	local, err := unix.Getsockname(fd)
	if err != nil {
		return peer
	}
	peer.Port = port(local)
	l, isUnix := local.(*unix.SockaddrUnix)
	if r, ok := remote.(*unix.SockaddrUnix); ok && isUnix && unnamed(r) && !unnamed(l) {
		return Peer{Addr: address(l), Client: true} // who dials a unix socket has no name himself
	}
	return peer
}

// unconnected describes a socket without a peer, or with one that has not answered yet.
func unconnected(fd int) (Peer, error) {
	local, err := unix.Getsockname(fd)
	if err != nil {
		return Peer{}, fmt.Errorf("proc: address of a socket: %w", err)
	}
	if on, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err == nil && on == 1 {
		return Peer{Addr: "accept " + address(local), Port: port(local), Listens: true}, nil
	}
	if to, ok := dialled(fd); ok {
		return Peer{Addr: to.String(), Port: port(local)}, nil
	}
	return Peer{Addr: "unconnected " + address(local), Port: port(local)}, nil
}

func port(sa unix.Sockaddr) int {
	switch a := sa.(type) {
	case *unix.SockaddrInet4:
		return a.Port
	case *unix.SockaddrInet6:
		return a.Port
	}
	return 0
}

func address(sa unix.Sockaddr) string {
	switch a := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port)).String()
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), uint16(a.Port)).String()
	case *unix.SockaddrUnix:
		if unnamed(a) {
			return "unix"
		}
		return "unix:" + strings.ToValidUTF8(a.Name, "?")
	}
	return "socket"
}

// fileName is the name of a file that is no socket, without the numbers of anonymous ones.
func (p *Process) fileName(own int) string {
	var buf [256]byte
	n, err := unix.Readlink(fmt.Sprintf("/proc/self/fd/%d", own), buf[:])
	if err != nil || n <= 0 {
		return "file"
	}
	name, _, anonymous := strings.Cut(string(buf[:n]), ":[")
	if !anonymous {
		name = strings.TrimPrefix(name, "anon_inode:")
	}
	return strings.ToValidUTF8(name, "?")
}

// unnamed says that a unix socket is not bound to a name, which x/sys spells like an abstract one.
func unnamed(a *unix.SockaddrUnix) bool { return a.Name == "" || a.Name == "@" }
