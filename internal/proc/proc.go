// Package proc is a process as /proc shows it: mappings, threads, memory, CPU time, files and
// the moment of its death, plus what the host allows us to look at.
//
// Pids are recycled, and a profiler that reads the memory of the wrong process reports nonsense
// with full confidence. A Process is therefore pid plus start time, and where the kernel has
// them (5.3 and later) it holds a pidfd, which never refers to a later process of the same
// number.
//
// Everything that a process can influence (its maps, its name, its files) is hostile input: the
// parsers are bounded, carry no build tag and are fuzzed.
package proc

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// ErrNoProcess is wrapped by the errors of every method when the process does not exist, or
// existed and has ended.
var ErrNoProcess = errors.New("no such process")

// maxSmallFile bounds what is read of the one-line files of /proc.
const maxSmallFile = 1 << 20

// Process is one process, identified by its pid and start time. Its methods may be called from
// several goroutines at once.
type Process struct {
	root  string
	pid   int
	start uint64 // ticks since boot, field 22 of stat
	fd    pidfd
	reads flights // of its memory

	once   sync.Once
	exited chan struct{}
	closed chan struct{}
	close  sync.Once
}

// Open looks up the process with the given pid in our own PID namespace. The error wraps
// ErrNoProcess when there is none, fs.ErrPermission when /proc hides it (hidepid), and
// errors.ErrUnsupported where there is no /proc. The caller closes the Process.
func Open(pid int) (*Process, error) { return openIn(defaultRoot, pid) }

func openIn(root string, pid int) (*Process, error) {
	p := &Process{root: root, pid: pid, fd: noPidfd, exited: make(chan struct{}), closed: make(chan struct{})}
	if root == defaultRoot {
		// The pidfd comes first: if it is still alive after stat was read, stat belongs to it.
		fd, err := openPidfd(pid)
		if err != nil {
			return nil, p.deny("", err)
		}
		p.fd = fd
	}
	st, err := p.stat()
	if err == nil && (st.dead() || p.fd.ended()) {
		err = fmt.Errorf("proc: %s: %w", p.path(), ErrNoProcess)
	}
	if err == nil && root == defaultRoot {
		err = allowed(p.path(), p.UID)
	}
	if err != nil {
		p.fd.close()
		return nil, err
	}
	p.start = st.start
	return p, nil
}

// PID returns the process id.
func (p *Process) PID() int { return p.pid }

// Close releases what the Process holds open. The channel of Exited is not closed by it.
func (p *Process) Close() error {
	p.close.Do(func() {
		close(p.closed)
		p.fd.close()
	})
	return nil
}

// Alive reports whether the process still runs. A zombie does not.
func (p *Process) Alive() bool {
	if p.fd != noPidfd {
		return !p.fd.ended()
	}
	st, err := p.stat()
	return err == nil && st.start == p.start && !st.dead()
}

// Blocked is for how long the oldest read of the process's memory has lasted that has not returned; 0 if there is none.
func (p *Process) Blocked() time.Duration {
	began := p.reads.oldest()
	if began == 0 {
		return 0
	}
	return max(time.Duration(time.Now().UnixNano()-began), 0)
}

// Maps returns the memory mappings in ascending order of address.
func (p *Process) Maps() ([]Mapping, error) {
	s, err := p.Space()
	if err != nil {
		return nil, err
	}
	defer s.Close()
	return s.Maps()
}

// Threads appends the ids of the live threads to dst, ascending.
func (p *Process) Threads(dst []int) ([]int, error) {
	d, err := os.Open(p.path("task"))
	if err != nil {
		return dst, p.deny("task", err)
	}
	defer d.Close()
	n := len(dst)
	dst, err = numbers(d, dst)
	slices.Sort(dst[n:])
	if err != nil {
		return dst, p.deny("task", err)
	}
	return dst, nil
}

// numbers appends the names in d that are decimal numbers.
func numbers(d *os.File, dst []int) ([]int, error) {
	for {
		names, err := d.Readdirnames(512)
		for _, name := range names {
			if n, err := strconv.Atoi(name); err == nil && n > 0 {
				dst = append(dst, n)
			}
		}
		if err == io.EOF {
			return dst, nil
		}
		if err != nil {
			return dst, err
		}
	}
}

// Comm returns the name of the main thread, at most 15 bytes, or "" when the process is gone.
func (p *Process) Comm() string {
	b, err := p.read("comm")
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(string(b), "\n")
}

// Cmdline returns the arguments of the process as it shows them (it can overwrite them), or nil
// when it is gone or a kernel thread.
func (p *Process) Cmdline() []string {
	b, err := p.read("cmdline")
	if err != nil || len(b) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(b), "\x00"), "\x00")
}

// IsKernel reports whether this is a thread of the kernel, which has no executable and no memory of its own.
func (p *Process) IsKernel() bool {
	st, err := p.stat()
	return err == nil && st.kernel
}

// Young reports whether the process is about to execute a program: who hears of an execve at once sees the new executable, but may see no
// arguments and no environment yet, and the user of before. The kernel says where the code begins when all of that is in place
// (load_elf_binary).
func (p *Process) Young() bool {
	st, err := p.stat()
	return err == nil && st.bare && !st.kernel
}

// UID returns the effective user id of the process.
func (p *Process) UID() (int, error) {
	b, err := p.read("status")
	if err != nil {
		return 0, err
	}
	uid, err := parseUID(b)
	if err != nil {
		return 0, fmt.Errorf("proc: %s: %w", p.path("status"), err)
	}
	return uid, nil
}

// CPUs returns how many CPUs the process's main thread may run on.
func (p *Process) CPUs() (int, error) {
	b, err := p.read("status")
	if err != nil {
		return 0, err
	}
	n, err := parseCPUs(b)
	if err != nil {
		return 0, fmt.Errorf("proc: %s: %w", p.path("status"), err)
	}
	return n, nil
}

// Wants says whether a thread has a CPU or wants one. One that has ended does not.
func (p *Process) Wants(tid int) bool {
	b, err := p.read("task/" + strconv.Itoa(tid) + "/stat")
	if err != nil {
		return false
	}
	st, err := parseStat(b)
	return err != nil || st.state == 'R'
}

// Stopped says whether a thread may not run, whatever it wants: by SIGSTOP or Ctrl-Z, by a tracer, or by
// the cgroup's freezer, which shows in nothing but where it sleeps (kernel/cgroup/freezer.c, kernel/freezer.c).
func (p *Process) Stopped(tid uint32) bool {
	task := "task/" + strconv.Itoa(int(tid)) + "/"
	b, err := p.read(task + "stat")
	if err != nil {
		return false
	}
	st, err := parseStat(b)
	if err != nil || st.state == 'T' || st.state == 't' {
		return err == nil
	}
	switch where, _ := p.read(task + "wchan"); string(where) { // 0 where kernel addresses are hidden
	case "do_freezer_trap", "get_signal", "__refrigerator": // the compiler may make one function of the first two
		return true
	}
	return false
}

// List returns the ids of all processes that /proc shows, ascending. On a system without /proc
// the error wraps errors.ErrUnsupported.
func List() ([]int, error) { return listIn(defaultRoot) }

func listIn(root string) ([]int, error) {
	d, err := os.Open(root)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w: %w", err, errors.ErrUnsupported)
		}
		return nil, fmt.Errorf("proc: %w", err)
	}
	defer d.Close()
	pids, err := numbers(d, nil)
	if err != nil {
		return nil, fmt.Errorf("proc: %w", err)
	}
	slices.Sort(pids)
	return pids, nil
}

func (p *Process) path(elem ...string) string {
	return filepath.Join(append([]string{p.root, strconv.Itoa(p.pid)}, elem...)...)
}

func (p *Process) stat() (stat, error) {
	b, err := p.read("stat")
	if err != nil {
		return stat{}, err
	}
	st, err := parseStat(b)
	if err != nil {
		return stat{}, fmt.Errorf("proc: %s: %w", p.path("stat"), err)
	}
	return st, nil
}

// read reads one of the small files of the process.
func (p *Process) read(name string) ([]byte, error) {
	b, err := readSmall(p.path(name))
	if err != nil {
		return nil, p.deny(name, err)
	}
	return b, nil
}

// deny turns an error of the kernel into one of ours: place first, then what to do about it.
func (p *Process) deny(what string, err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err // the path is named by us
	}
	switch {
	case errors.Is(err, ErrNoProcess):
		return fmt.Errorf("proc: %s: %w", p.path(what), err)
	case errors.Is(err, syscall.ESRCH): // which says the same
		return fmt.Errorf("proc: %s: %w", p.path(what), ErrNoProcess)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("proc: %s: %w: %w", p.path(what), ErrNoProcess, err)
	case errors.Is(err, fs.ErrPermission):
		return &AccessError{p.pid, fmt.Errorf("proc: %s: %w: %s", p.path(what), err, remedy(yamaScope(p.root)))}
	}
	return fmt.Errorf("proc: %s: %w", p.path(what), err)
}

// AccessError says that we may not look into a process, and which right is lacking. It wraps fs.ErrPermission.
type AccessError struct {
	PID int
	err error
}

func (e *AccessError) Error() string { return e.err.Error() }
func (e *AccessError) Unwrap() error { return e.err }

// remedy says what would allow access to another process (ptrace(2), "Ptrace access mode
// checking"; Documentation/admin-guide/LSM/Yama.rst).
func remedy(yama int) string {
	const need = "needs the same user or CAP_SYS_PTRACE, and a sandbox that allows it"
	switch yama {
	case 1, 2:
		return fmt.Sprintf("needs CAP_SYS_PTRACE (kernel.yama.ptrace_scope is %d; 0 would allow the same user)", yama)
	case 3:
		return "kernel.yama.ptrace_scope is 3: forbidden to all until reboot"
	}
	return need
}
