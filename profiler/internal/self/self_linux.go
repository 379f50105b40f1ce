package self

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mayfly-profiler/mayfly/internal/proc"
)

func init() {
	parent, err := strconv.Atoi(os.Getenv(variable))
	if err != nil {
		return
	}
	os.Unsetenv(variable) // what this process starts is no helper
	if parent != os.Getppid() || !isPipe(asksFD) || !isPipe(answersFD) || proc.Privileged() {
		return // its parent, pipes and environment are anybody's, and it would read for them what only it may
	}
	// Memory of a container is shared with the program. When it runs out the helper is to go, whatever the program has of it
	// (proc(5), oom_score_adj).
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0)
	syscall.CloseOnExec(asksFD)
	syscall.CloseOnExec(answersFD)
	// A Ctrl-C is meant for the program, which may want its profile when it ends. The helper ends when
	// its pipe does.
	signal.Ignore(unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT)
	served = &Server{parent, os.NewFile(asksFD, "asks"), os.NewFile(answersFD, "answers")}
}

func isPipe(fd int) bool {
	var st unix.Stat_t
	return unix.Fstat(fd, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFIFO
}

// Helper is the parent's side.
type Helper struct {
	PID     int
	Asks    *os.File // closing it tells the helper to finish
	Answers *os.File

	process *os.Process
	ended   chan struct{}
	err     error                  // how it ended; valid after ended
	said    words                  // what it wrote to standard error
	stuck   atomic.Pointer[string] // what it was at when it was given up
}

// headroom is what a helper is not started below: it takes 30 to 60 MB, and memory that runs out ends a process of the
// control group, in the worst case the program.
const headroom = 64 << 20

// reserve is how much of that a helper leaves to the program.
const reserve = 16 << 20

// LeaveInTime ends the helper when memory runs short, before the kernel has to: that would kill the helper, and then the program,
// too, if it takes memory in the milliseconds until all that the helper had is back (mm/mmap.c, exit_mmap: MMF_OOM_SKIP is set ahead
// of tlb_finish_mmu). What is said here is part of the error that the parent has. It returns where there is no limit.
func (s *Server) LeaveInTime() {
	limits := proc.OpenMemoryLimits()
	if len(limits) == 0 {
		return
	}
	for range time.Tick(5 * time.Millisecond) {
		if left := limits.Left(reserve); left < reserve {
			fmt.Fprintf(os.Stderr, "%d MiB are left of the memory that the control group may use\n", left>>20)
			os.Exit(1)
		}
	}
}

// Start starts a helper and allows it to read the memory of this process.
func Start() (*Helper, error) {
	if proc.Privileged() {
		return nil, fmt.Errorf("start helper: %w: this program has its rights by set-user-ID or file capabilities, which a helper must not use",
			fs.ErrPermission)
	}
	if left := proc.MemoryLeft(); left < headroom {
		return nil, fmt.Errorf("start helper: %d MiB are left of the memory that the control group may use, and it needs %d",
			left>>20, headroom>>20)
	}
	asksR, asksW, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start helper: %w", err)
	}
	answersR, answersW, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start helper: %w", err), asksR.Close(), asksW.Close())
	}
	h := &Helper{Asks: asksW, Answers: answersR, ended: make(chan struct{})}
	started := make(chan error)
	go h.run([]*os.File{asksR, answersW}, started)
	if err := <-started; err != nil {
		return nil, errors.Join(fmt.Errorf("start helper: %w", err), asksW.Close(), answersR.Close())
	}
	h.name()
	return h, nil
}

// name names the helper to Yama: where its ptrace_scope is 1, and there only, a process may read its descendants and
// whoever was named. The name takes the place of the program's own, so elsewhere there is none. The kernel takes it back when
// the helper ends (security/yama/yama_lsm.c, yama_task_free).
func (h *Helper) name() {
	if r, err := proc.HostRights(); err == nil && r.YamaScope == 1 {
		_ = unix.Prctl(unix.PR_SET_PTRACER, uintptr(h.PID), 0, 0, 0)
	}
}

// run starts the helper and waits for it. The signal that comes with the parent's death comes with
// that of the thread which started the helper, so this thread stays.
func (h *Helper) run(files []*os.File, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(h.ended)
	cmd := exec.Command("/proc/self/exe")
	cmd.Args[0] = "mayfly-helper"
	cmd.Env = append(cmd.Environ(), variable+"="+strconv.Itoa(os.Getpid()), "GODEBUG="+preemptible(os.Getenv("GODEBUG")))
	cmd.ExtraFiles, cmd.Stderr, cmd.WaitDelay = files, &h.said, time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	err := cmd.Start()
	for _, f := range files {
		f.Close()
	}
	if err == nil {
		h.PID, h.process = cmd.Process.Pid, cmd.Process
	}
	started <- err
	if err == nil {
		h.err = cmd.Wait()
	}
}

// preemptible is a GODEBUG setting without asyncpreemptoff: threads of a helper wait in the kernel with their Ps, and who wants to stop
// the world wakes them by that signal. Without it the helper waits for a sample of a program that waits for the helper.
func preemptible(godebug string) string { return strings.TrimPrefix(godebug+",asyncpreemptoff=0", ",") }

// Ended says how the helper ended, after it has: what it said last is part of the error, which
// wraps ErrEnded. It waits for a moment only, and ends a helper that goes on.
func (h *Helper) Ended() error {
	h.Close()
	if stuck := h.stuck.Load(); stuck != nil {
		return fmt.Errorf("%w: %s%s", ErrEnded, *stuck, h.said.where())
	}
	why := "without a word"
	select {
	case <-h.ended:
		if h.err != nil {
			why = h.err.Error()
		}
	default:
		why = "not even when it was killed"
	}
	if said := h.said.first(); said != "" {
		why += ": " + said
	}
	return fmt.Errorf("%w: %s", ErrEnded, why)
}

// patience is how long a helper that was told to end may take.
const patience = 2 * time.Second

// Close ends the helper and returns when it is gone, or cannot be ended: one that is killed is gone when its threads come back from the
// kernel. It leaves no zombie. It may be called again.
func (h *Helper) Close() {
	h.Asks.Close()
	h.Answers.Close()
	if !h.endsWithin(patience) {
		h.process.Kill()
		h.endsWithin(patience)
	}
}

func (h *Helper) endsWithin(d time.Duration) bool {
	select {
	case <-h.ended:
		return true
	case <-time.After(d):
		return false
	}
}

// words keeps the beginning of what is written to it: the first line of a panic says what happened.
type words struct {
	mu  sync.Mutex
	buf []byte
}

const maxWords = 64 << 10 // the stacks of some hundred goroutines

func (w *words) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.buf = append(w.buf, p[:min(len(p), maxWords-len(w.buf))]...)
	return len(p), nil
}

// first is the first line that was written.
func (w *words) first() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	line, _, _ := bytes.Cut(bytes.TrimSpace(w.buf), []byte("\n"))
	return string(line)
}
