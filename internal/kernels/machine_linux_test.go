//go:build kernels

package kernels

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// A machine is what qemu emulates.
type machine struct {
	arch           string
	kernel, initrd string
}

// command has a limit of memory that the archive and the tests fit into. On x86 the processors take turns: with one thread for
// each, qemu 7.2 runs breakpoints that the kernel has removed when tracepoints are switched, and the kernel gives up.
func (m machine) command(ctx context.Context) *exec.Cmd {
	program, console := "qemu-system-x86_64", "ttyS0"
	args := []string{"-machine", "q35", "-cpu", "max", "-accel", "tcg,thread=single"}
	if m.arch == "arm64" {
		program, console = "qemu-system-aarch64", "ttyAMA0"
		args = []string{"-machine", "virt", "-cpu", "max,pauth-impdef=on", "-accel", "tcg,thread=multi"}
	}
	return exec.CommandContext(ctx, program, append(args, "-smp", "2", "-m", "1280", "-nodefaults", "-nographic",
		"-serial", "stdio", "-monitor", "none", "-no-reboot", "-kernel", m.kernel, "-initrd", m.initrd,
		"-append", "console="+console+" panic=-1 loglevel=4")...)
}

// A verdict is what the console of a machine said.
type verdict struct {
	release string
	tests   []result
	lines   map[string]string // what TestInside... logged: "NAME: text"
	off     bool              // it came to its end
	panicky string            // the kernel's last words
}

type result struct {
	program, name, outcome string // outcome: PASS, FAIL, SKIP
}

var (
	outcome = regexp.MustCompile(`^\s*--- (PASS|FAIL|SKIP): (\S+)`)
	noted   = regexp.MustCompile(`^\s+\S+\.go:[0-9]+: @(\w+): (.*)`)
	dying   = regexp.MustCompile(`(Kernel panic|Oops|BUG:|WARNING:).*`)
)

// judge reads a console, as go test -v and testdata/guest write it.
func judge(console io.Reader) (v verdict) {
	v.lines = map[string]string{}
	program := ""
	in := bufio.NewScanner(console)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		line := strings.TrimRight(in.Text(), "\r")
		if m := outcome.FindStringSubmatch(line); m != nil {
			v.tests = append(v.tests, result{program, m[2], m[1]})
		} else if m := noted.FindStringSubmatch(line); m != nil {
			v.lines[m[1]] = m[2]
		} else if m := dying.FindString(line); m != "" && v.panicky == "" {
			v.panicky = m
		}
		if name, ok := strings.CutPrefix(line, "@@ run "); ok {
			program = name
		} else if r, ok := strings.CutPrefix(line, "@@ up "); ok {
			v.release = r
		} else if rest, ok := strings.CutPrefix(line, "@@ done "); ok && !strings.HasSuffix(rest, ": <nil>") {
			v.tests = append(v.tests, result{program, "(whole program: " + rest + ")", "FAIL"})
		} else if strings.HasPrefix(line, "@@ off") {
			v.off = true
		}
	}
	return v
}

// run boots the machine and returns what it said when it is off, or has not been for too long. The console goes to a file, too.
func (m machine) run(t *testing.T, log string, limit time.Duration) verdict {
	t.Helper()
	f, err := os.Create(log)
	check(t, err)
	defer f.Close()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := m.command(ctx)
	cmd.Stdout, cmd.Stderr = f, f
	start := time.Now()
	err = cmd.Run()
	t.Logf("%s for %.0f s: %v", cmd.Args[0], time.Since(start).Seconds(), err)
	_, err = f.Seek(0, io.SeekStart)
	check(t, err)
	return judge(f)
}

func TestJudge(t *testing.T) {
	v := judge(strings.NewReader("\n@@ up 6.1.0-50-cloud-arm64\r\n@@ run bpf.test\r\n=== RUN   TestA\r\n--- PASS: TestA (0.1s)\r\n" +
		"    --- SKIP: TestB/x (0.00s)\r\n        a_test.go:12: @doctor: works\r\n@@ done bpf.test after 3 s: <nil>\r\n" +
		"@@ run x.test\r\n--- FAIL: TestC (1s)\r\n@@ done x.test after 9 s: exit status 1\r\nOops: int3: 0000 [#1]\r\n"))
	want := `{6.1.0-50-cloud-arm64 [{bpf.test TestA PASS} {bpf.test TestB/x SKIP} {x.test TestC FAIL} ` +
		`{x.test (whole program: x.test after 9 s: exit status 1) FAIL}] map[doctor:works] false Oops: int3: 0000 [#1]}`
	if got := fmt.Sprint(v); got != want {
		t.Errorf("judge = %s\nwant %s", got, want)
	}
	if v := judge(strings.NewReader("@@ off\r\n")); !v.off {
		t.Error("the end was not seen")
	}
}
