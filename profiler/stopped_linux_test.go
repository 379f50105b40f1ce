package profiler_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mayfly-profiler/mayfly/internal/source/bpf"
	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/profiler"
)

// stop is a way to keep a process from running, and to let it go on.
type stop struct {
	name         string
	stop, resume func(t *testing.T, pid int)
}

var stops = []stop{
	{"SIGSTOP", signal(syscall.SIGSTOP), signal(syscall.SIGCONT)},
	{"ptrace", attach, detach},
	{"freezer of cgroup v1", freezer("freezer", "freezer.state", "FROZEN"), freezer("freezer", "freezer.state", "THAWED")},
	{"freezer of cgroup v2", freezer(".", "cgroup.freeze", "1"), freezer(".", "cgroup.freeze", "0")},
}

// What a goroutine's thread is stopped for is stopped time, whoever stops it; no time is missing.
func TestStopped(t *testing.T) {
	target.NeedCPU(t)
	target.Need(t, bpf.Probe()) // the scheduler's view is eBPF's
	for _, s := range stops {
		t.Run(s.name, func(t *testing.T) {
			x := target.Start(t, target.Compile(t, "spin", target.Build{}), "-n", "2", "-procs", "4")
			s.resume(t, x.PID) // skips where it cannot be done
			held := make(chan time.Duration, 1)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			rec, err := profiler.Record(ctx, x.PID, profiler.Options{MaxOverhead: 1, Started: func(profiler.Summary) {
				go func() {
					runtime.LockOSThread() // a tracer is a thread
					time.Sleep(500 * time.Millisecond)
					s.stop(t, x.PID)
					settle(t, x.PID)
					begin := time.Now()
					time.Sleep(time.Second)
					held <- time.Since(begin)
					s.resume(t, x.PID)
					time.Sleep(500 * time.Millisecond)
					cancel()
				}()
			}})
			target.Need(t, err)
			want := 2 * <-held
			stopped, all := spun(rec, "stopped")
			queued, _ := spun(rec, "runnable") // a goroutine that has no thread when the others stop
			if stopped < want/4 || stopped+queued < want*9/10 || stopped > want*3/2 {
				t.Errorf("two goroutines were stopped for %v and runnable for %v, want %v", stopped, queued, want)
			}
			if in, _ := spun(rec, "syscall"); in > want/10 {
				t.Errorf("in system calls for %v", in)
			}
			if want = 2 * time.Duration(rec.Profile.DurationNanos); all < want*93/100 || all > want*107/100 {
				t.Errorf("%v in all states, want %v", all, want)
			}
		})
	}
}

// A process that was stopped before the recording began is stopped for all of it. A goroutine that had no thread just then is
// runnable: it stops anew when both have one.
func TestStoppedBefore(t *testing.T) {
	target.Need(t, bpf.Probe()) // the scheduler's view is eBPF's
	x := target.Start(t, target.Compile(t, "spin", target.Build{}), "-n", "2", "-procs", "4")
	defer signal(syscall.SIGCONT)(t, x.PID)
	for try := 0; ; try++ {
		signal(syscall.SIGSTOP)(t, x.PID)
		settle(t, x.PID)
		rec := record(t, x.PID, time.Second, profiler.Options{Mode: profiler.Wall})
		got, all := spun(rec, "stopped")
		queued, _ := spun(rec, "runnable")
		if want := 2 * time.Duration(rec.Profile.DurationNanos); all < want*9/10 || all > want*11/10 || got+queued != all {
			t.Errorf("two goroutines were stopped for %v, runnable for %v, and in all states for %v; want %v", got, queued, all, want)
		}
		if queued == 0 || t.Failed() {
			return
		}
		if try == 4 {
			t.Fatalf("a goroutine was runnable for %v, and in the %d recordings before, too", queued, try)
		}
		signal(syscall.SIGCONT)(t, x.PID)
		time.Sleep(100 * time.Millisecond)
	}
}

// settle returns when no thread runs or wants to: each needs a CPU to stop.
func settle(t *testing.T, pid int) {
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		stats, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		if err != nil {
			t.Error(err)
		}
		if !slices.ContainsFunc(stats, func(file string) bool {
			b, _ := os.ReadFile(file)
			return bytes.Contains(b, []byte(") R "))
		}) {
			return
		}
	}
	t.Error("it does not stop")
}

// TestSpawning starts processes: the kernel counts who waits in vfork for a child as frozen, but nobody stops the process.
func TestSpawning(t *testing.T) {
	x := target.Start(t, target.Compile(t, "execs", target.Build{}), "-spawn")
	ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
	defer cancel()
	rec, err := profiler.Record(ctx, x.PID, profiler.Options{MaxOverhead: 1})
	target.Need(t, err)
	stopped, all := spun(rec, "stopped")
	if called, _ := spun(rec, "syscall"); stopped > all/100 || called == 0 {
		t.Errorf("%v of %v stopped, and %v in system calls", stopped, all, called)
	}
}

// TestPerfOfSpawning starts processes, which inherit the events of the threads that start them: what they execute is no program of the
// target's, and what they use is not its CPU time.
func TestPerfOfSpawning(t *testing.T) {
	x := target.Start(t, target.Compile(t, "execs", target.Build{}), "-spawn")
	ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
	defer cancel()
	rec, err := profiler.Record(ctx, x.PID, profiler.Options{Engine: profiler.Perf, MaxOverhead: 1})
	target.Need(t, err)
	if said := rec.Summary.End + "; " + strings.Join(rec.Summary.Denied, "; "); strings.Contains(said, "another program") {
		t.Error(said)
	}
	if rec.Summary.CPU.Samples < 10 {
		t.Errorf("%d samples of a program that starts others all the time", rec.Summary.CPU.Samples)
	}
}

// spun is the time of spin's goroutines in a state, and in all.
func spun(rec *profiler.Recording, state string) (in, all time.Duration) {
	for _, s := range rec.Profile.Sample {
		if len(s.Label["job"]) == 0 {
			continue
		}
		ns := time.Duration(s.Value[len(s.Value)-1])
		if all += ns; slices.Contains(s.Label["go.state"], state) {
			in += ns
		}
	}
	return in, all
}

func signal(sig syscall.Signal) func(*testing.T, int) {
	return func(t *testing.T, pid int) {
		if err := syscall.Kill(pid, sig); err != nil {
			t.Error(err)
		}
	}
}

func attach(t *testing.T, pid int) { each(t, pid, syscall.PtraceAttach) }

func detach(t *testing.T, pid int) { each(t, pid, syscall.PtraceDetach) }

// each does something with all threads of a process.
func each(t *testing.T, pid int, do func(tid int) error) {
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		t.Error(err)
	}
	for _, task := range tasks {
		tid, _ := strconv.Atoi(task.Name())
		err := do(tid)
		if err == nil {
			_, err = syscall.Wait4(tid, nil, syscall.WALL|syscall.WNOHANG, nil)
		}
		if errors.Is(err, fs.ErrPermission) {
			target.Need(t, err)
		}
	}
}

// freezer writes into the freezer of a cgroup that has the process. It skips where there is no such cgroup.
func freezer(hierarchy, file, word string) func(*testing.T, int) {
	return func(t *testing.T, pid int) {
		dir := filepath.Join(mountOf(t, hierarchy), "mayfly-"+strconv.Itoa(pid))
		if err := os.Mkdir(dir, 0o755); err == nil {
			t.Cleanup(func() { leave(dir, pid) })
			if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0); err != nil {
				t.Fatal(err)
			}
		} else if !errors.Is(err, fs.ErrExist) {
			target.Need(t, err)
		}
		if err := os.WriteFile(filepath.Join(dir, file), []byte(word), 0); err != nil {
			t.Error(err)
		}
	}
}

func leave(dir string, pid int) {
	_ = syscall.Kill(pid, syscall.SIGKILL)
	for range 100 {
		if unix.Rmdir(dir) == nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// mountOf is where the hierarchy of cgroup v1 with a controller is mounted, or that of cgroup v2.
func mountOf(t *testing.T, hierarchy string) string {
	for _, dir := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/" + hierarchy} {
		var st unix.Statfs_t
		if unix.Statfs(dir, &st) != nil {
			continue
		}
		if v2 := st.Type == unix.CGROUP2_SUPER_MAGIC; v2 == (hierarchy == ".") && (v2 || st.Type == unix.CGROUP_SUPER_MAGIC) {
			return dir
		}
	}
	t.Skipf("no such hierarchy: %v", errors.ErrUnsupported)
	return ""
}
