package proc

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// maxSockets bounds how much of a table of sockets is read, in bytes: some 25,000 of them.
const maxSockets = 4 << 20

// dialled is whom sockets of the process's network namespace are being connected to, by inode, as of the last reading.
type dialled struct {
	mu   sync.Mutex
	next time.Time // when it may be read again
	to   map[uint64]netip.AddrPort
}

// connecting says whether a TCP socket is being connected and has no answer yet: getpeername(2) knows nobody then.
func connecting(own int) bool {
	info, err := unix.GetsockoptTCPInfo(own, unix.IPPROTO_TCP, unix.TCP_INFO)
	return err == nil && info.State == unix.BPF_TCP_SYN_SENT
}

// dials is the address that a socket is being connected to. Only the tables of the network namespace have it, and the time that reading
// them takes grows with the namespace's sockets, so one reading is for all, and no more than a hundredth of the time goes there: what is
// not known until then is an error, and can be asked again.
func (p *Process) dials(own int) (to netip.AddrPort, err error) {
	var st unix.Stat_t
	if err := unix.Fstat(own, &st); err != nil {
		return to, fmt.Errorf("proc: socket: %w", err)
	}
	d := &p.dialled
	d.mu.Lock()
	defer d.mu.Unlock()
	if to, ok := d.to[st.Ino]; ok {
		return to, nil
	}
	if begin := time.Now(); begin.After(d.next) {
		d.to = make(map[uint64]netip.AddrPort)
		p.readDialled("tcp")
		p.readDialled("tcp6")
		d.next = begin.Add(100 * time.Since(begin))
	}
	if to, ok := d.to[st.Ino]; ok {
		return to, nil
	}
	return to, fmt.Errorf("proc: whom a socket of %d is being connected to is not known yet", p.pid)
}

func (p *Process) readDialled(table string) {
	f, err := os.Open(p.path("net", table))
	if err != nil {
		return
	}
	defer f.Close()
	addDialled(p.dialled.to, io.LimitReader(f, maxSockets))
}

// addDialled adds the sockets of /proc/net/tcp or tcp6 that are being connected.
func addDialled(to map[uint64]netip.AddrPort, table io.Reader) {
	for lines := bufio.NewScanner(table); lines.Scan(); {
		// sl, local and remote address, st, queues, timer, retransmits, uid, timeout, inode (net/ipv4/tcp_ipv4.c: get_tcp4_sock)
		fields := strings.Fields(lines.Text())
		if len(fields) < 10 || fields[3] != "02" {
			continue
		}
		inode, err := strconv.ParseUint(fields[9], 10, 64)
		if remote, ok := hexAddress(fields[2]); ok && err == nil {
			to[inode] = remote
		}
	}
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
