package proc

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"io"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// maxSockets bounds how much of a table of sockets is read, in bytes: some 25,000 of them.
const maxSockets = 4 << 20

// connecting is the address that a TCP socket is to be connected to and has no answer from yet, for which getpeername(2) knows nobody;
// false if it is no such socket. Only the table of the network namespace has that address, and the time that reading it takes grows with
// the namespace's sockets, so no more than a hundredth of the time goes there.
func (p *Process) connecting(own int) (to netip.AddrPort, ok bool) {
	info, err := unix.GetsockoptTCPInfo(own, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil || info.State != unix.BPF_TCP_SYN_SENT {
		return to, false
	}
	var st unix.Stat_t
	family, err := unix.GetsockoptInt(own, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil || unix.Fstat(own, &st) != nil {
		return to, false
	}
	table := "tcp"
	if family == unix.AF_INET6 {
		table = "tcp6"
	}
	begin := time.Now()
	if begin.UnixNano() < p.table.Load() {
		return to, false
	}
	f, err := os.Open(p.path("net", table))
	if err != nil {
		return to, false
	}
	defer f.Close()
	defer func() { p.table.Store(begin.Add(100 * time.Since(begin)).UnixNano()) }()
	return remoteOf(io.LimitReader(f, maxSockets), st.Ino)
}

// remoteOf finds a socket's remote address in /proc/net/tcp or tcp6, by its inode.
func remoteOf(table io.Reader, inode uint64) (netip.AddrPort, bool) {
	want := strconv.FormatUint(inode, 10)
	for lines := bufio.NewScanner(table); lines.Scan(); {
		// sl, local and remote address, st, queues, timer, retransmits, uid, timeout, inode (net/ipv4/tcp_ipv4.c: get_tcp4_sock)
		if fields := strings.Fields(lines.Text()); len(fields) > 9 && fields[9] == want {
			return hexAddress(fields[2])
		}
	}
	return netip.AddrPort{}, false
}

// hexAddress reads an address as the kernel prints it: words of 32 bits in the machine's order, and the port.
func hexAddress(s string) (a netip.AddrPort, ok bool) {
	host, port, _ := strings.Cut(s, ":")
	ip, err := hex.DecodeString(host)
	n, perr := strconv.ParseUint(port, 16, 16)
	if err != nil || perr != nil || len(ip)%4 != 0 {
		return a, false
	}
	for i := 0; i < len(ip); i += 4 {
		binary.NativeEndian.PutUint32(ip[i:], binary.BigEndian.Uint32(ip[i:]))
	}
	addr, ok := netip.AddrFromSlice(ip)
	return netip.AddrPortFrom(addr.Unmap(), uint16(n)), ok
}
