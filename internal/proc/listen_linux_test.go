package proc

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/mayfly-profiler/mayfly/internal/target"
)

// What the test process listens at by TCP is found, and nothing else that it has open.
func TestListeners(t *testing.T) {
	p, err := Open(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	before, err := p.Listeners()
	if err != nil {
		t.Fatal(err)
	}
	var want []netip.AddrPort
	for _, at := range []string{"127.0.0.1:0", "127.0.0.2:0", "[::1]:0"} {
		l, err := net.Listen("tcp", at)
		if err != nil {
			t.Logf("%s: %v", at, err) // a host without IPv6
			continue
		}
		defer l.Close()
		want = append(want, netip.MustParseAddrPort(l.Addr().String()))
	}
	u, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	c, err := net.Dial("tcp", want[0].String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	got, err := p.Listeners()
	if err != nil || !slices.IsSortedFunc(got, netip.AddrPort.Compare) {
		t.Errorf("%v, %v", got, err)
	}
	got = slices.DeleteFunc(got, func(a netip.AddrPort) bool { return slices.Contains(before, a) })
	slices.SortFunc(want, netip.AddrPort.Compare)
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// A process in a network namespace of its own is reached there, and the threads of who asks stay in theirs.
func TestDial(t *testing.T) {
	const listen = "MAYFLY_TEST_LISTEN"
	if os.Getenv(listen) != "" {
		listenAlone()
		return
	}
	c := exec.Command(os.Args[0], "-test.run=^TestDial$")
	c.Env = append(os.Environ(), listen+"=1")
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	target.Need(t, c.Start()) // a network namespace needs CAP_SYS_ADMIN
	defer func() { c.Process.Kill(); c.Wait() }()
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	address = strings.TrimSpace(address)
	p, err := Open(c.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if got, err := p.Listeners(); err != nil || len(got) != 1 || got[0].String() != address {
		t.Errorf("listens at %v, %v; want %s", got, err, address)
	}
	for range 20 { // more than there are threads: none may be left in that namespace
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			t.Fatalf("%s is reached from here", address)
		}
		conn, err := p.Dial(context.Background(), netip.MustParseAddrPort(address))
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(conn); string(b) != "hello" {
			t.Errorf("%q, %v", b, err)
		}
		conn.Close()
	}
}

// listenAlone brings the loopback device of its network namespace up, says hello to who connects,
// and never ends.
func listenAlone() {
	must := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	must(err)
	lo, err := unix.NewIfreq("lo")
	must(err)
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	must(unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	fmt.Println(l.Addr())
	for {
		c, err := l.Accept()
		must(err)
		io.WriteString(c, "hello")
		c.Close()
	}
}

// Connections that nobody has accepted are counted, and a descriptor that is another file by now is none of a listener.
func TestUnaccepted(t *testing.T) {
	p, err := Open(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	all, err := p.Listening()
	i := slices.IndexFunc(all, func(x Listener) bool { return x.Addr.String() == l.Addr().String() })
	if err != nil || i < 0 {
		t.Fatalf("%v, %v", all, err)
	}
	for want := range 3 {
		if n, err := p.Unaccepted(all[i]); n != want || err != nil {
			t.Errorf("%d, %v; want %d", n, err, want)
		}
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if want == 2 {
			l.Close()
		}
	}
	if n, err := p.Unaccepted(all[i]); err == nil {
		t.Errorf("%d connections wait at a socket that is closed", n)
	}
}

// Root without the right to all files reads the memory of others, and not their folders of descriptors: the error names what is missing.
func TestFolderOfDescriptors(t *testing.T) {
	if os.Getuid() != 0 {
		target.Need(t, fmt.Errorf("give up a right of root: %w", fs.ErrPermission))
	}
	cmd := exec.Command("sleep", "60")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cmd.Process.Kill(); cmd.Wait() }()
	p, err := Open(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	runtime.LockOSThread() // whose rights they are
	defer runtime.UnlockOSThread()
	of, all := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, [2]unix.CapUserData{}
	if err := unix.Capget(&of, &all[0]); err != nil {
		t.Fatal(err)
	}
	less := all
	less[0].Effective &^= 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_DAC_READ_SEARCH
	if err := unix.Capset(&of, &less[0]); err != nil {
		t.Fatal(err)
	}
	defer unix.Capset(&of, &all[0])
	const want = "/fd: permission denied: needs the same user or CAP_DAC_READ_SEARCH"
	if _, err = p.Listening(); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %q", err, want)
	}
}
