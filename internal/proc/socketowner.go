package proc

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// established is a state of a connection (kernel, net/tcp_states.h). In others a socket may have no owner any more, and its uid is then 0.
const established = "01"

const maxSockets = 64 << 20 // bytes of a list

// SocketOwner is the user who has opened the other end of a connection within this host: remote of a connection that is accepted at local.
// The error wraps fs.ErrPermission if nobody in this network namespace has.
func SocketOwner(local, remote netip.AddrPort) (uid int, err error) {
	for _, name := range []string{"tcp", "tcp6"} {
		f, err := os.Open(defaultRoot + "/thread-self/net/" + name)
		if err != nil {
			continue // without IPv6 there is no tcp6
		}
		uid, ok := socketOwner(io.LimitReader(f, maxSockets), remote, local)
		f.Close()
		if ok {
			return uid, nil
		}
	}
	return 0, fmt.Errorf("proc: %w: nobody on this host has opened the connection from %s", fs.ErrPermission, remote)
}

// socketOwner finds the socket of a connection in a list (proc_net_tcp.rst).
func socketOwner(list io.Reader, local, remote netip.AddrPort) (uid int, ok bool) {
	s := bufio.NewScanner(list)
	for s.Scan() {
		f := strings.Fields(s.Text())
		if len(f) < 8 || f[3] != established {
			continue
		}
		from, ok1 := parseSocket(f[1])
		to, ok2 := parseSocket(f[2])
		if uid, err := strconv.ParseUint(f[7], 10, 31); err == nil && ok1 && ok2 && from == unmapped(local) && to == unmapped(remote) {
			return int(uid), true
		}
	}
	return 0, false
}

func unmapped(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// parseSocket reads 0100007F:1F90: words of the address in the machine's order, and the port.
func parseSocket(text string) (a netip.AddrPort, ok bool) {
	address, port, _ := strings.Cut(text, ":")
	b, err := hex.DecodeString(address)
	n, perr := strconv.ParseUint(port, 16, 16)
	if err != nil || perr != nil || len(b) != 4 && len(b) != 16 {
		return a, false
	}
	for i := 0; i < len(b); i += 4 {
		binary.BigEndian.PutUint32(b[i:], binary.LittleEndian.Uint32(b[i:]))
	}
	ip, _ := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(ip.Unmap(), uint16(n)), true
}
