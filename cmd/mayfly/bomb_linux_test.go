package main

import (
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/target"
)

// elfBomb is a running program whose section headers claim 32 million sections. The kernel does not look at them.
// The program is in C or in Go.
func elfBomb(t *testing.T, path string, args ...string) int {
	t.Helper()
	img, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	le := binary.LittleEndian
	end := uint64(len(img)+0xfff) &^ 0xfff
	le.PutUint64(img[40:], end) // e_shoff
	le.PutUint16(img[60:], 0)   // e_shnum: see the first section's size
	first := make([]byte, 64)
	le.PutUint64(first[32:], 1<<25)
	bomb := filepath.Join(t.TempDir(), "bomb")
	f, err := os.OpenFile(bomb, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	_, werr := f.Write(img)
	_, herr := f.WriteAt(first, int64(end))
	if err := f.Truncate(2 << 30); err != nil || werr != nil || herr != nil { // a hole: nothing on disk
		t.Fatal(err, werr, herr)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bomb, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		cmd.Process.Kill()
		cmd.Wait()
	})
	return cmd.Process.Pid
}

// TestELFBomb has mayfly look at programs that anybody can start. Each of them cost 9 GB and 40 s of root's mayfly. CPU time
// is held to what may pass on a machine that does nothing else.
func TestELFBomb(t *testing.T) {
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	c := elfBomb(t, sleep, "60")
	golang := elfBomb(t, target.Compile(t, "spin", target.Build{}), "-d", "60s")
	runs := [][]string{{"list"}, {"__complete", "record", "-p", ""}}
	for _, pid := range []int{c, golang} {
		for _, verb := range []string{"record", "dump"} {
			runs = append(runs, []string{verb, "-p", strconv.Itoa(pid)})
		}
		runs = append(runs, []string{"doctor", strconv.Itoa(pid)})
	}
	for _, args := range runs {
		if args[0] == "record" {
			args = append(args, "-d", "1s")
		}
		s := start(t, func(c *exec.Cmd) { c.Env = append(os.Environ(), "GOTRACEBACK=none") }, args...)
		began, peak := time.Now(), peakUntilEnd(s.cmd.Process.Pid)
		code, kb := s.wait(), <-peak
		used := s.cmd.ProcessState.UserTime() + s.cmd.ProcessState.SystemTime()
		t.Logf("%q: exit code %d, %d kB, %s of CPU time, %s", args, code, kb, used, time.Since(began).Round(time.Millisecond))
		if kb*1024 > 40e6 || kb == 0 || used > 500*time.Millisecond || code > codeFailed {
			t.Errorf("%q: exit code %d, %d kB resident, %s of CPU time\n%s", args, code, kb, used, s.stderr.String())
		}
	}
}

// peakUntilEnd is the largest memory that a process had until it ended, kB, within a millisecond.
func peakUntilEnd(pid int) <-chan int {
	peak := make(chan int, 1)
	go func() {
		most := 0
		for kb := peakMemory(pid); kb > 0 || most == 0 && exists(pid); kb = peakMemory(pid) {
			most = max(most, kb)
			time.Sleep(time.Millisecond)
		}
		peak <- most
	}()
	return peak
}

func exists(pid int) bool { return syscall.Kill(pid, 0) == nil }

// TestProfileBombs reads profiles that are a few kilobytes on disk. A stack of 8 million frames had report end with a stack
// overflow, which no program can handle, and with the exit code of a wrong command line; others took 9 GB.
func TestProfileBombs(t *testing.T) {
	dir := t.TempDir()
	for name, change := range map[string]func(p *profile.Profile){
		"deep":   func(p *profile.Profile) { p.Sample[0].Location = slices.Repeat(p.Location[:1], 8<<20) },
		"lines":  func(p *profile.Profile) { p.Location[0].Line = slices.Repeat(p.Location[0].Line[:1], 4<<20) },
		"labels": func(p *profile.Profile) { p.Sample[0].Label["key"] = slices.Repeat([]string{"value"}, 2<<20) },
	} {
		p := sleepers(400, 20)
		change(p)
		path := filepath.Join(dir, name+".pb.gz")
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(p.Write(f), f.Close()); err != nil {
			t.Fatal(err)
		}
		st, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{
			{"report", "--slo", "p99<1ms", "--request", "label:request", path}, {"compare", path}, {"diff", path, path},
			{"diff", "--format", "html", path, path}, {"view", "-o", "page.html", path}, {"view", "-o", "x.folded", path, path},
		} {
			s := start(t, nil, args...)
			code := s.wait()
			used := s.cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss / 1024
			t.Logf("%s of %d kB, %s: exit code %d, %d MiB", name, st.Size()/1024, args[0], code, used)
			if said := s.stderr.String(); code != codeFailed && code != codeIncomparable || used > 1024 || strings.Count(said, "\n") != 1 ||
				!strings.Contains(said, "too large") {
				t.Errorf("%s, %s: exit code %d, %d MiB, %q", name, args[0], code, used, said)
			}
		}
	}
}
