package proc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// maxDescriptors bounds how many of a process's file descriptors are looked at.
const maxDescriptors = 1 << 16

// Listeners are the addresses at which the process accepts TCP connections, sorted. Like Peer it needs
// the right to ptrace the process.
func (p *Process) Listeners() ([]netip.AddrPort, error) {
	sockets, err := p.Listening()
	var found []netip.AddrPort
	for _, s := range sockets {
		found = append(found, s.Addr)
	}
	return slices.Compact(found), err
}

// Listening is the sockets at which the process accepts TCP connections, sorted by address. Like Peer it
// needs the right to ptrace the process.
func (p *Process) Listening() ([]Listener, error) {
	dir, err := os.Open(p.path("fd"))
	if err != nil {
		return nil, p.denyFolder(err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(maxDescriptors)
	if err != nil {
		return nil, p.deny("fd", err)
	}
	var found []Listener
	var first error
	for _, name := range names {
		l, ok, err := p.listener(name)
		if err != nil && first == nil {
			first = err
		}
		if ok {
			found = append(found, l)
		}
	}
	if len(found) == 0 {
		return nil, first
	}
	slices.SortFunc(found, func(a, b Listener) int { return cmp.Or(a.Addr.Compare(b.Addr), cmp.Compare(a.FD, b.FD)) })
	return found, nil
}

// denyFolder is why the folder of descriptors cannot be read. It is the user's alone, and no right to ptrace opens it (fs/proc/fd.c,
// proc_fd_permission).
func (p *Process) denyFolder(err error) error {
	if r, rerr := rightsIn(p.root); errors.Is(err, fs.ErrPermission) && rerr == nil && r.CapSysPtrace {
		return &AccessError{p.pid, fmt.Errorf("proc: %s: %w: needs the same user or CAP_DAC_READ_SEARCH", p.path("fd"), fs.ErrPermission)}
	}
	return p.deny("fd", err)
}

// listener is what a descriptor is, if TCP connections are accepted at it.
func (p *Process) listener(name string) (l Listener, ok bool, err error) {
	if l.FD, err = strconv.Atoi(name); err != nil {
		return l, false, nil
	}
	if to, err := os.Readlink(p.path("fd", name)); err != nil || !strings.HasPrefix(to, "socket:") {
		return l, false, nil
	}
	peer, err := p.Peer(l.FD)
	if err != nil || !peer.Listens {
		return l, false, err
	}
	l.Addr, err = netip.ParseAddrPort(strings.TrimPrefix(peer.Addr, "accept "))
	return l, err == nil, nil // what has no port is a unix socket
}

// Unaccepted is how many connections to a socket of Listening the process has not accepted yet. Of a listening socket, tcp_info has
// that in the place of segments that were not acknowledged (net/ipv4/tcp.c: tcp_get_info). It fails when the descriptor is another
// file by now. Like Peer it duplicates the descriptor for a moment.
func (p *Process) Unaccepted(l Listener) (int, error) {
	own, err := p.fd.take(l.FD)
	if err != nil {
		return 0, p.deny(fmt.Sprintf("fd %d (pidfd_getfd)", l.FD), err)
	}
	defer unix.Close(own)
	info, err := unix.GetsockoptTCPInfo(own, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return 0, fmt.Errorf("proc: fd %d of %d: %w", l.FD, p.pid, err)
	}
	if info.State != unix.BPF_TCP_LISTEN {
		return 0, fmt.Errorf("proc: fd %d of %d does not listen any more", l.FD, p.pid)
	}
	return int(info.Unacked), nil
}

// Dial connects to a TCP address as the process itself would: from its network namespace. Another one
// than ours needs CAP_SYS_ADMIN. It takes no names: a resolver works on threads of its own, which are in our
// namespace and not in the process's.
func (p *Process) Dial(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	address := to.String()
	theirs, err := os.Open(p.path("ns", "net"))
	if err != nil {
		return nil, p.deny("ns/net", err)
	}
	defer theirs.Close()
	var d net.Dialer
	// Not /proc/self: that is the first thread, which the goroutine below may have had. A thread that still runs is in our namespace.
	if isFile("/proc/thread-self/ns/net", theirs) {
		return d.DialContext(ctx, "tcp", address)
	}
	type dialled struct {
		c   net.Conn
		err error
	}
	done := make(chan dialled, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with this goroutine
		if err := unix.Setns(int(theirs.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- dialled{nil, fmt.Errorf("proc: enter the network namespace of %d: %w", p.pid, err)}
			return
		}
		c, err := d.DialContext(ctx, "tcp", address)
		done <- dialled{c, err}
	}()
	got := <-done
	return got.c, got.err
}

func isFile(path string, f *os.File) bool {
	a, err := os.Stat(path)
	if err != nil {
		return false
	}
	b, err := f.Stat()
	return err == nil && os.SameFile(a, b)
}
