package groundtruth

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Scheduler collects the kernel's scheduler events of all threads of a name, in an instance of
// tracefs of its own. The name and not the process chooses: threads inherit it, so that none is
// missed, however early it starts.
type Scheduler struct {
	mount    string
	instance string
}

// bufferKB is the kernel's memory for events, for each CPU: some 300,000 of them.
const bufferKB = 24 << 10

// WatchScheduler begins to collect. dir is an empty folder to mount tracefs on. The error wraps
// fs.ErrPermission or errors.ErrUnsupported where the host does not allow it.
func WatchScheduler(dir, comm string) (*Scheduler, error) {
	if ns, err := os.Readlink("/proc/self/ns/pid"); err != nil || ns != "pid:[4026531836]" {
		return nil, fmt.Errorf("watch the scheduler: %w: its events have thread ids of the initial PID namespace", errors.ErrUnsupported)
	}
	err := unix.Mount("tracefs", dir, "tracefs", 0, "")
	if errors.Is(err, unix.ENODEV) {
		err = errors.ErrUnsupported
	}
	if err != nil {
		return nil, fmt.Errorf("watch the scheduler: mount tracefs: %w", err)
	}
	s := &Scheduler{mount: dir}
	if s.instance, err = os.MkdirTemp(filepath.Join(dir, "instances"), "mayfly-groundtruth-"); err == nil {
		err = s.configure(comm)
	}
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("watch the scheduler: %w", err)
	}
	return s, nil
}

func (s *Scheduler) configure(comm string) error {
	return errors.Join(
		s.write("trace_clock", "mono"),
		s.write("buffer_size_kb", fmt.Sprint(bufferKB)),
		s.write("events/sched/sched_switch/filter", fmt.Sprintf("prev_comm == %q || next_comm == %q", comm, comm)),
		s.write("events/sched/sched_wakeup/filter", fmt.Sprintf("comm == %q", comm)),
		s.write("events/sched/sched_wakeup_new/filter", fmt.Sprintf("comm == %q", comm)),
		s.write("events/sched/sched_switch/enable", "1"),
		s.write("events/sched/sched_wakeup/enable", "1"),
		s.write("events/sched/sched_wakeup_new/enable", "1"),
		s.write("tracing_on", "1"))
}

func (s *Scheduler) write(file, text string) error {
	return os.WriteFile(filepath.Join(s.instance, filepath.FromSlash(file)), []byte(text), 0)
}

// Stop ends collecting and returns what was collected.
func (s *Scheduler) Stop() (Threads, error) {
	if err := s.write("tracing_on", "0"); err != nil {
		return nil, err
	}
	f, err := os.Open(filepath.Join(s.instance, "trace"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return ReadThreads(f)
}

// Close gives the kernel's memory back.
func (s *Scheduler) Close() error {
	var err error
	if strings.Contains(s.instance, "mayfly-groundtruth-") {
		err = unix.Rmdir(s.instance)
	}
	return errors.Join(err, unix.Unmount(s.mount, unix.MNT_DETACH))
}
