package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/source/bpf"
	"github.com/mayfly-profiler/mayfly/internal/target"
)

// The set-ups of docs/containers.md, with the namespaces and rights of a container and no container
// runtime: a process is as able as the kernel says.

// inside runs a script of sh in namespaces made by unshare(1). $MAYFLY and $TARGET are executables
// that every user may read.
func inside(t *testing.T, rights func(*exec.Cmd), script string, flags ...string) *session {
	t.Helper()
	unshare, err := exec.LookPath("unshare")
	if err != nil {
		target.Need(t, fmt.Errorf("%w: %w", errors.ErrUnsupported, err))
	}
	mayfly, err := exec.LookPath("mayfly")
	if err != nil {
		t.Fatal(err)
	}
	mayfly = publicCopy(t, mayfly)
	spin := publicCopy(t, target.Compile(t, "spin", target.Build{}))
	probe := exec.Command(unshare, append(flags, "true")...)
	rights(probe)
	if out, err := probe.CombinedOutput(); err != nil {
		target.Need(t, fmt.Errorf("%w: namespaces %v: %s", errors.ErrUnsupported, flags, strings.TrimSpace(string(out))))
	}
	return start(t, func(c *exec.Cmd) {
		c.Path, c.Args = unshare, append(append([]string{"unshare"}, flags...), "sh", "-c", script)
		c.Dir = filepath.Dir(mayfly)
		c.Env = append(os.Environ(), "MAYFLY="+mayfly, "TARGET="+spin)
		rights(c)
	})
}

func asNobody(c *exec.Cmd) {
	if os.Getuid() == 0 {
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
}

// checkInside wants a recording with the labels of the target, by the given engine.
func (s *session) checkInside(t *testing.T, engines ...string) {
	t.Helper()
	if code := s.wait(); code != 0 {
		t.Fatalf("exit code %d: %s", code, s.stderr.String())
	}
	p := s.profile("mayfly.pb.gz")
	comments := strings.Join(p.Comments, "\n")
	ok := false
	for _, e := range engines {
		ok = ok || strings.Contains(comments, "mayfly.engine.cpu="+e)
	}
	labelled := 0
	for _, sm := range p.Sample {
		if ownLabels(sm) == 3 {
			labelled++
		}
	}
	if !ok || labelled == 0 || !strings.Contains(comments, "mayfly.engine.wall=goroutine table") {
		t.Errorf("%d of %d samples have their labels; want engine %v\n%s", labelled, len(p.Sample), engines, comments)
	}
}

// ownLabels is how many labels a sample has of the program, and not of mayfly.
func ownLabels(s *profile.Sample) (n int) {
	for key := range s.Label {
		if !strings.HasPrefix(key, "go.") {
			n++
		}
	}
	return n
}

const sidecar = `%s $TARGET -d 20s >/dev/null & sleep 0.7; pid=$!; %s $MAYFLY record -q -d 1s -p $pid; code=$?; kill $pid; exit $code`

// A sidecar that runs as the service's user and has no rights at all, in a user, PID and mount
// namespace.
func TestSidecarWithoutRights(t *testing.T) {
	s := inside(t, asNobody, fmt.Sprintf(sidecar, "", ""), "--user", "--map-current-user", "--pid", "--fork", "--mount", "--mount-proc")
	s.checkInside(t, "perf", "goroutine table")
	if got := s.stderr.String(); !strings.Contains(got, "needs CAP_BPF and CAP_PERFMON") {
		t.Errorf("stderr %q", got)
	}
}

// A sidecar with the three capabilities and no others, beside a service of another user.
func TestSidecarWithCapabilities(t *testing.T) {
	needRoot(t, "run as another user")
	target.Need(t, bpf.Probe())
	if _, err := exec.LookPath("setpriv"); err != nil {
		target.Need(t, fmt.Errorf("%w: %w", errors.ErrUnsupported, err))
	}
	const (
		service = "setpriv --reuid 1234 --regid 1234 --clear-groups --no-new-privs"
		three   = "setpriv --bounding-set=-all,+cap_39,+cap_38,+sys_ptrace --inh-caps=-all --no-new-privs"
	)
	s := inside(t, func(*exec.Cmd) {}, fmt.Sprintf(sidecar, service, three), "--pid", "--fork", "--mount", "--mount-proc")
	s.checkInside(t, "ebpf")
}

// Without CAP_SYS_PTRACE the service of another user is out of reach, and that is what is said.
func TestSidecarOfAnotherUser(t *testing.T) {
	needRoot(t, "run as another user")
	if _, err := exec.LookPath("setpriv"); err != nil {
		target.Need(t, fmt.Errorf("%w: %w", errors.ErrUnsupported, err))
	}
	s := inside(t, func(*exec.Cmd) {}, fmt.Sprintf(sidecar, "setpriv --reuid 1234 --regid 1234 --clear-groups",
		"setpriv --reuid 1235 --regid 1235 --clear-groups"),
		"--pid", "--fork", "--mount", "--mount-proc")
	if code := s.wait(); code != 1 || !strings.Contains(s.stderr.String(), "CAP_SYS_PTRACE") {
		t.Errorf("exit code %d, %q", code, s.stderr.String())
	}
}
