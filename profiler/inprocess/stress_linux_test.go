package inprocess_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/target"
)

var stressFor = flag.Duration("stress.for", 0, "how long TestStress goes on, with builds for the race detector and checkptr too: 10m; 0 "+
	"is one short round")

// stressed is a way to run the program that records itself while its runtime is busiest.
type stressed struct {
	name  string
	build target.Build
	env   []string
}

var (
	gogc1    = stressed{"GOGC=1", target.Build{Module: true}, []string{"GOGC=1"}}
	stresses = []stressed{
		gogc1,
		{"race", target.Build{Module: true, CGO: true, Race: true}, []string{"GORACE=halt_on_error=1"}},
		{"race, GOGC=1", target.Build{Module: true, CGO: true, Race: true}, []string{"GOGC=1", "GORACE=halt_on_error=1"}},
		{"checkptr", target.Build{Module: true, GCFlags: "all=-d=checkptr=2"}, []string{"GOGC=1"}},
		{"clobberfree", target.Build{Module: true}, []string{"GOGC=5", "GODEBUG=clobberfree=1,invalidptr=1"}},
		{"no preemption", target.Build{Module: true}, []string{"GODEBUG=asyncpreemptoff=1,gcshrinkstackoff=1"}},
		{"gcstoptheworld", target.Build{Module: true}, []string{"GOGC=20", "GODEBUG=gcstoptheworld=2"}},
	}
)

// ends are how the program ends, what its state says then, and the one line that its standard error begins
// with: whatever else is there is not as asked.
var ends = []struct{ name, state, says string }{
	{"", "exit status 0", `^$`},
	{"panic", "exit status 2", `^panic: as asked\n`},
	{"fatal", "exit status 2", `^fatal error: sync: unlock of unlocked mutex\n`},
	{"nil", "exit status 2", `^panic: runtime error: invalid memory address`},
	{"segv", "exit status 2", `^SIGSEGV: segmentation violation\n`},
	{"abort", "exit status 2", `^SIGABRT: abort\n`},
	{"exit", "exit status 3", `^$`},
	{"kill", "signal: killed", `^$`},
}

// A program that is recorded all the time ends as it would without: by itself, or by the crash that it
// asked for and by no other; no helper outlives it, and none is left as a zombie while it lives.
func TestStress(t *testing.T) {
	if *stressFor == 0 {
		exe := target.Compile(t, "stress", gogc1.build)
		for i := range ends {
			stress(t, exe, gogc1, i, time.Duration(300+rand.IntN(700))*time.Millisecond)
		}
		return
	}
	runs, slowest, crashes := 0, time.Duration(0), make(map[string]int)
	exes := make([]string, len(stresses))
	for i, s := range stresses {
		exes[i] = target.Compile(t, "stress", s.build)
	}
	sessions := make(map[string]int)
	for end := time.Now().Add(*stressFor); time.Now().Before(end) && !t.Failed(); runs++ {
		s, end := rand.IntN(len(stresses)), rand.IntN(len(ends))
		crashes[ends[end].name]++
		r := stress(t, exes[s], stresses[s], end, time.Second+time.Duration(rand.IntN(3000))*time.Millisecond)
		slowest = max(slowest, r.outlived)
		for engines, n := range r.sessions {
			sessions[engines] += n
		}
	}
	t.Logf("%d runs, by end %v; helpers outlived the program by %v at most; sessions of those that ended by themselves: %v",
		runs, crashes, slowest, sessions)
	if slowest > time.Second {
		t.Errorf("a helper outlived the program by %v", slowest)
	}
}

// stressPatience is how long a run may take. A session ends within two times the minute that it has patience with its helper, and some
// seconds, and says why: the program would be killed too early to say so.
const stressPatience = 150 * time.Second

// threadsOf is where the threads of processes are in the kernel, and how much CPU time they have had.
func threadsOf(pids []string) string {
	var b strings.Builder
	for _, pid := range pids {
		dirs, _ := filepath.Glob("/proc/" + pid + "/task/[0-9]*")
		for _, dir := range dirs {
			stat, _ := os.ReadFile(dir + "/stat")
			f := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
			wchan, _ := os.ReadFile(dir + "/wchan")
			if len(f) > 12 {
				fmt.Fprintf(&b, "%s: %s, user %s, system %s, in %s\n", dir, f[0], f[11], f[12], wchan)
			}
		}
	}
	return b.String()
}

// stacksOf are the goroutines of a traceback that record, and are in package inprocess or below, of the many that the program has.
func stacksOf(traceback string) string {
	var b strings.Builder
	for _, g := range strings.SplitAfter(traceback, "\n\n") {
		if strings.Contains(g, "mayfly/profiler/in") || strings.Contains(g, "main.record(") {
			b.WriteString(g)
		}
	}
	return b.String()
}

// stressRun is what one run of the program showed.
type stressRun struct {
	sessions map[string]int
	outlived time.Duration
}

// stress runs the program for d and ends it.
func stress(t *testing.T, exe string, s stressed, end int, d time.Duration) (r stressRun) {
	t.Helper()
	e := ends[end]
	c := exec.Command(exe)
	if e.name != "kill" {
		c.Args = append(c.Args, "-end", e.name)
	}
	c.Env = append(os.Environ(), s.env...)
	var stderr bytes.Buffer
	c.Stderr = &stderr
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	var hung string
	patience := time.AfterFunc(stressPatience, func() {
		hung = threadsOf(append(helpersOf(t, c.Process.Pid), strconv.Itoa(c.Process.Pid)))
		c.Process.Signal(syscall.SIGQUIT)
	})
	stdout := bufio.NewReader(out)
	ready, err := stdout.ReadString('\n')
	time.Sleep(d)
	if e.name == "kill" {
		c.Process.Kill()
	}
	in.Close()
	last, _ := io.ReadAll(stdout)
	c.Wait()
	if !patience.Stop() {
		t.Fatalf("%s, %q: it did not end in %v\n%s%s", s.name, e.name, stressPatience, hung, stacksOf(stderr.String()))
	}
	if err != nil {
		t.Fatalf("%s, %q: %q, %v\n%.8000s", s.name, e.name, ready, err, stderr.String())
	}
	for begin := time.Now(); len(helpersOf(t, c.Process.Pid)) > 0; time.Sleep(time.Millisecond) {
		if r.outlived = time.Since(begin); r.outlived > 10*time.Second {
			t.Fatalf("%s, %s: the helper lives on", s.name, e.name)
		}
	}
	if state := c.ProcessState.String(); state != e.state || !regexp.MustCompile(e.says).Match(stderr.Bytes()) {
		t.Errorf("%s, %q: %s, want %s\n%.8000s", s.name, e.name, state, e.state, stderr.String())
	}
	if e.name == "" {
		r.sessions = stressTruth(t, s, string(last))
	}
	return r
}

// stressTruth checks what the program says of itself.
func stressTruth(t *testing.T, s stressed, stdout string) map[string]int {
	t.Helper()
	var truth struct {
		Sessions map[string]int
		Errors   []string
		Children int
	}
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &truth); err != nil {
		t.Errorf("%s: %v: %s", s.name, err, stdout)
	}
	if len(truth.Sessions) == 0 || truth.Children != 0 {
		t.Errorf("%s: %+v", s.name, truth)
	}
	for _, e := range truth.Errors {
		if !strings.Contains(e, "fgprof: too few scans") { // a session that was too short for one
			t.Errorf("%s: %s", s.name, e)
		}
	}
	return truth.Sessions
}

// helpersOf are the pids of all helpers that the process started, orphans included: their environment, as it
// was when they were started, says so. Zombies have none.
func helpersOf(t *testing.T, parent int) (pids []string) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, _ := os.ReadFile(f) // it may have ended
		if bytes.Contains(append([]byte{0}, b...), fmt.Appendf(nil, "\x00MAYFLY_HELPER_OF=%d\x00", parent)) {
			pids = append(pids, filepath.Base(filepath.Dir(f)))
		}
	}
	return pids
}
