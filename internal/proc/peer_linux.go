package proc

import (
	"fmt"
	"net/netip"
	"strings"

	"golang.org/x/sys/unix"
)

// Peer says who is at the other end of one of the process's file descriptors: "10.0.0.7:5432" for
// a connected TCP or UDP socket, "accept 0.0.0.0:8080" for a listening one, "unix:/run/x.sock",
// "unix" for an unnamed one, or what /proc calls a file that is no socket ("pipe", "/dev/tty").
//
// It duplicates the descriptor into this process for a moment (pidfd_getfd(2), Linux 5.6), which
// needs the right to ptrace the process; the process does not notice.
func (p *Process) Peer(fd int) (string, error) {
	own, err := p.fd.take(fd)
	if err != nil {
		return "", p.deny(fmt.Sprintf("fd %d", fd), err)
	}
	defer unix.Close(own)
	remote, err := unix.Getpeername(own)
	switch err {
	case nil:
		return address(remote), nil
	case unix.ENOTSOCK:
		return p.fileName(own), nil
	case unix.ENOTCONN:
		return listening(own)
	}
	return "", fmt.Errorf("proc: peer of fd %d of %d: %w", fd, p.pid, err)
}

// take duplicates a descriptor of the process.
func (f pidfd) take(fd int) (own int, err error) {
	if f.handle == nil {
		return -1, unix.ENOSYS
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

// listening describes a socket without a peer.
func listening(fd int) (string, error) {
	local, err := unix.Getsockname(fd)
	if err != nil {
		return "", fmt.Errorf("proc: address of a socket: %w", err)
	}
	if on, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err == nil && on == 1 {
		return "accept " + address(local), nil
	}
	return "unconnected " + address(local), nil
}

func address(sa unix.Sockaddr) string {
	switch a := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port)).String()
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), uint16(a.Port)).String()
	case *unix.SockaddrUnix:
		if a.Name == "" {
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
