package proc

import (
	"context"
	"fmt"
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
	dir, err := os.Open(p.path("fd"))
	if err != nil {
		return nil, p.deny("fd", err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(maxDescriptors)
	if err != nil {
		return nil, p.deny("fd", err)
	}
	var found []netip.AddrPort
	var first error
	for _, name := range names {
		a, ok, err := p.listener(name)
		if err != nil && first == nil {
			first = err
		}
		if ok {
			found = append(found, a)
		}
	}
	if len(found) == 0 {
		return nil, first
	}
	slices.SortFunc(found, netip.AddrPort.Compare)
	return slices.Compact(found), nil
}

// listener is the address of a descriptor at which TCP connections are accepted.
func (p *Process) listener(name string) (a netip.AddrPort, ok bool, err error) {
	fd, err := strconv.Atoi(name)
	if err != nil {
		return a, false, nil
	}
	if to, err := os.Readlink(p.path("fd", name)); err != nil || !strings.HasPrefix(to, "socket:") {
		return a, false, nil
	}
	peer, err := p.Peer(fd)
	if err != nil || !peer.Listens {
		return a, false, err
	}
	a, err = netip.ParseAddrPort(strings.TrimPrefix(peer.Addr, "accept "))
	return a, err == nil, nil // what has no port is a unix socket
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
