package proc

import (
	"encoding/binary"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// dialled is the address that a TCP socket is being connected to and has no answer from yet; false if it is no such socket.
// getpeername(2) knows nobody then. SO_PEERNAME does, in whatever state the socket is (net/ipv4/af_inet.c: inet_getname).
func dialled(fd int) (to netip.AddrPort, ok bool) {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil || info.State != unix.BPF_TCP_SYN_SENT {
		return to, false
	}
	family, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return to, false
	}
	var name [unix.SizeofSockaddrInet6]byte
	size := uint32(unix.SizeofSockaddrInet4)
	if family == unix.AF_INET6 {
		size = unix.SizeofSockaddrInet6
	}
	// The kernel takes no room that is larger than the name.
	if _, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_PEERNAME,
		uintptr(unsafe.Pointer(&name[0])), uintptr(unsafe.Pointer(&size)), 0); errno != 0 {
		return to, false
	}
	port := binary.BigEndian.Uint16(name[2:])
	if family == unix.AF_INET6 {
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte(name[8:24])).Unmap(), port), true
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte(name[4:8])), port), true
}
