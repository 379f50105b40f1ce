package self

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/proc"
)

// A helper that does not answer may be stuck in its own code or in the kernel, may have been stopped, or may not have got a CPU. So before
// it is killed it is noted what its threads are at, and it is asked for the stacks of its goroutines as any Go program is, by SIGABRT.

// GiveUp ends a helper that has not answered for so long: whoever reads its answers has an error, also where somebody else has the
// pipe's other end, and Ended says what it was at. Close has to be called all the same.
func (h *Helper) GiveUp(waited time.Duration) {
	text := fmt.Sprintf("it did not answer for %s (%s)", waited, threadStates(h.PID))
	h.stuck.Store(&text)
	h.process.Signal(syscall.SIGABRT)
	if !h.endsWithin(patience) {
		h.process.Kill()
		h.endsWithin(patience)
	}
	h.Answers.SetReadDeadline(time.Unix(1, 0))
}

// threadStates are the states of a process's threads as ps has them, and the CPU time that they used: R for all of it and little of that
// is a process that gets no CPU.
func threadStates(pid int) string {
	dirs, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/[0-9]*", pid))
	if len(dirs) == 0 {
		return "it has no threads"
	}
	states := make(map[string]int)
	for _, dir := range dirs {
		b, _ := os.ReadFile(filepath.Join(dir, "stat"))
		if _, rest, ok := bytes.Cut(b, []byte(") ")); ok && len(rest) > 0 {
			states[string(rest[:1])]++
		}
	}
	var list []string
	for _, s := range slices.Sorted(maps.Keys(states)) {
		list = append(list, fmt.Sprintf("%d %s", states[s], s))
	}
	text := "threads: " + strings.Join(list, ", ")
	if p, err := proc.Open(pid); err == nil {
		if used, err := p.CPU(); err == nil {
			text += fmt.Sprintf("; %s of CPU time", used.Round(time.Millisecond))
		}
		p.Close()
	}
	return text
}

// own is how functions of mayfly begin in a stack.
const own = "github.com/mayfly-profiler/mayfly/"

const maxPlaces = 8

// where is what goroutines were at by the stacks that were written: in mayfly's code, and the first one in any.
func (w *words) where() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var places []string
	for _, block := range strings.Split(string(w.buf), "\n\n") {
		head, stack, ok := strings.Cut(block, "]:\n")
		id, state, isGoroutine := strings.Cut(head, " [")
		if !ok || !isGoroutine || !strings.HasPrefix(id, "goroutine ") {
			continue
		}
		at := place(stack, strings.HasPrefix(id, "goroutine 1 "))
		if text := state + " in " + at; at != "" && !slices.Contains(places, text) && len(places) < maxPlaces {
			places = append(places, text)
		}
	}
	if len(places) == 0 {
		return ", and did not say where it is"
	}
	return ": " + strings.Join(places, "; ")
}

// place is the first function of a stack that is mayfly's. Where there is none it is the one that began it, such as an init function, if
// that is wanted.
func place(stack string, begin bool) (first string) {
	for line := range strings.Lines(stack) {
		line = strings.TrimSuffix(line, "\n")
		args := strings.LastIndexByte(line, '(')
		if args < 0 || line[0] == '\t' || !strings.HasSuffix(line, ")") {
			continue // not a call, but where it is
		}
		short, ok := strings.CutPrefix(line[:args], own)
		if ok {
			return short
		}
		if begin && !strings.HasPrefix(short, "runtime.") {
			first = short
		}
	}
	return first
}
