package proc

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// maxVec is UIO_MAXIOV, the most pieces that one process_vm_readv takes.
const maxVec = 1024

// memory reads by process_vm_readv(2), one system call for up to 1024 pieces. Where a sandbox
// forbids that call (ENOSYS, or EPERM from seccomp), /proc/PID/mem is tried; the kernel checks
// the same rights for both.
type memory struct {
	p      *Process
	local  []unix.Iovec
	remote []unix.RemoteIovec
	keep   bool // the P

	once sync.Once
	file *os.File // /proc/PID/mem, nil unless needed
}

// Mem returns the memory of the process. Each call returns a reader of its own. Errors wrap
// ErrNoProcess, fs.ErrPermission or ErrFault.
func (p *Process) Mem() Memory { return &memory{p: p} }

// MemKeepingP is Mem for a thread that reads all the time. It keeps the P: the runtime's monitor
// looks every 20 us for threads in system calls to take their P away, and goes on so for some
// milliseconds each time it did, which costs more than the reading. A call takes a millisecond at
// most; meanwhile nobody can stop the world. With one P all others would wait, so there it is Mem.
//
// A process can have a call take for ever, by a userfaultfd or a file system of its own, see Blocked; and with its P the thread
// would hold up the garbage collector, and so all of us. So the P is not kept for processes of another user, which may
// mean it, nor for those that have a userfaultfd.
func (p *Process) MemKeepingP() Memory {
	uid, err := p.UID()
	ours := err == nil && uid == os.Geteuid()
	return &memory{p: p, keep: ours && runtime.GOMAXPROCS(0) > 1 && !p.pagesByHand()}
}

// pagesByHand says whether the process has a file descriptor by which page faults are served in user space (userfaultfd(2)).
func (p *Process) pagesByHand() bool {
	dir, err := os.Open(p.path("fd"))
	if err != nil {
		return false
	}
	defer dir.Close()
	fds, _ := numbers(dir, nil)
	for _, fd := range fds {
		if to, _ := os.Readlink(p.path("fd", strconv.Itoa(fd))); to == "anon_inode:[userfaultfd]" {
			return true
		}
	}
	return false
}

// ReadAt implements io.ReaderAt. It is safe for concurrent use.
func (m *memory) ReadAt(b []byte, off int64) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	if off < 0 {
		return 0, m.fault(uint64(off))
	}
	n := 0
	for n < len(b) {
		k, err := m.read(b[n:], uint64(off)+uint64(n))
		if err != nil {
			return n, err
		}
		if k == 0 {
			return n, m.fault(uint64(off) + uint64(n))
		}
		n += k
	}
	return n, nil
}

func (m *memory) fault(addr uint64) error {
	return fmt.Errorf("proc: %s: %#x: %w", m.p.path("mem"), addr, ErrFault)
}

func (m *memory) read(b []byte, addr uint64) (int, error) {
	defer m.p.reads.end(m.p.reads.begin())
	local := [1]unix.Iovec{{Base: &b[0]}}
	local[0].SetLen(len(b))
	remote := [1]unix.RemoteIovec{{Base: uintptr(addr), Len: len(b)}}
	n, err := m.readv(local[:], remote[:])
	if err == nil {
		return n, nil
	}
	if err == unix.EFAULT {
		return 0, m.fault(addr)
	}
	if f := m.fallback(err); f != nil {
		if n, ferr := f.ReadAt(b, int64(addr)); n > 0 {
			return n, nil
		} else if errors.Is(ferr, unix.EIO) {
			return 0, m.fault(addr)
		}
	}
	return 0, m.p.deny("mem", err)
}

// fallback opens /proc/PID/mem when process_vm_readv itself is forbidden.
func (m *memory) fallback(err error) *os.File {
	if err != unix.ENOSYS && err != unix.EPERM {
		return nil
	}
	m.once.Do(func() { m.file, _ = os.Open(m.p.path("mem")) })
	return m.file
}

// Gather implements Gatherer.
func (m *memory) Gather(ps []Piece) error {
	for i := range ps {
		ps[i].OK = len(ps[i].Buf) == 0
	}
	for len(ps) > 0 {
		done, err := m.gather(ps[:min(len(ps), maxVec)])
		if err != nil {
			return err
		}
		ps = ps[done:]
	}
	return nil
}

// gather reads one batch and returns how many pieces it settled: all up to and including the
// first that faulted, because the kernel stops there.
func (m *memory) gather(ps []Piece) (int, error) {
	m.local, m.remote = m.local[:0], m.remote[:0]
	for _, p := range ps {
		var v unix.Iovec
		if len(p.Buf) > 0 {
			v.Base = &p.Buf[0]
		}
		v.SetLen(len(p.Buf))
		m.local = append(m.local, v)
		m.remote = append(m.remote, unix.RemoteIovec{Base: uintptr(p.Addr), Len: len(p.Buf)})
	}
	flight := m.p.reads.begin()
	n, err := m.readv(m.local, m.remote)
	m.p.reads.end(flight)
	clear(m.local) // keep no pointer to the caller's buffers
	if err == unix.EFAULT {
		n, err = 0, nil
	}
	if err != nil {
		return m.gatherSlow(ps, err)
	}
	for i := range ps {
		if n < len(ps[i].Buf) {
			return i + 1, nil
		}
		n -= len(ps[i].Buf)
		ps[i].OK = true
	}
	return len(ps), nil
}

// readv is process_vm_readv(2).
func (m *memory) readv(local []unix.Iovec, remote []unix.RemoteIovec) (int, error) {
	if !m.keep {
		return unix.ProcessVMReadv(m.p.pid, local, remote, 0)
	}
	n, _, errno := unix.RawSyscall6(unix.SYS_PROCESS_VM_READV, uintptr(m.p.pid), uintptr(unsafe.Pointer(&local[0])), uintptr(len(local)),
		uintptr(unsafe.Pointer(&remote[0])), uintptr(len(remote)), 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// gatherSlow reads the pieces one by one from /proc/PID/mem, when cause allows that.
func (m *memory) gatherSlow(ps []Piece, cause error) (int, error) {
	if m.fallback(cause) == nil {
		return 0, m.p.deny("mem", cause)
	}
	for i := range ps {
		_, err := m.ReadAt(ps[i].Buf, int64(ps[i].Addr))
		if err != nil && !errors.Is(err, ErrFault) {
			return i, err
		}
		ps[i].OK = err == nil
	}
	return len(ps), nil
}
