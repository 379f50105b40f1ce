package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Duet is one run of a benchmark on both sides at the same time on the same CPU.
//
// On a host that others use, a CPU's speed changes by a tenth and more within a tenth of a second, and two runs that follow each other
// differ by as much, however long they are. Two processes on one CPU, between which the kernel switches every few milliseconds, have that
// in common (Bulej et al. 2020, "Duet Benchmarking: Improving Measurement Accuracy in the Cloud", which gives each a CPU of its own):
// what an operation of one takes by the other's differs by 1 to 4 % from one run of half a second to the next.
//
// It is CPU time that is compared, which does not depend on how the kernel divides a CPU. What several CPUs at once make of a benchmark is
// not in it.
type Duet struct {
	Benchmark string // as go test prints its name
	Ops       int    // by which the run that is measured is longer than one of two operations, which is taken from it
	Layout    int    // of both sides
	CPU       int
	NewFirst  bool // starts
}

// Run is the CPU time of an operation on each side, in seconds.
func (d Duet) Run(ctx context.Context, base, new *Side) (took [2]float64, err error) {
	sides := [2]*Side{base, new}
	// The testing package runs a benchmark's function with one operation first. So two operations have all of what more of them have,
	// but for these.
	few, err := d.run(ctx, sides, 2)
	if err != nil {
		return took, err
	}
	all, err := d.run(ctx, sides, 2+d.Ops)
	if err != nil {
		return took, err
	}
	for i := range took {
		if took[i] = (all[i] - few[i]).Seconds() / float64(d.Ops); took[i] <= 0 {
			return took, fmt.Errorf("bench: %s of %s takes no CPU time that can be measured", d.Benchmark, sides[i].Name)
		}
	}
	return took, nil
}

// run is the CPU time of a process of each side that does some operations.
func (d Duet) run(ctx context.Context, sides [2]*Side, ops int) (used [2]time.Duration, err error) {
	var cmds [2]*exec.Cmd
	var output [2]bytes.Buffer
	order := []int{0, 1}
	if d.NewFirst {
		slices.Reverse(order)
	}
	for _, i := range order {
		cmd := exec.CommandContext(ctx, sides[i].Binary(d.Layout), "-test.run=^$", "-test.bench="+exactly(d.Benchmark),
			fmt.Sprintf("-test.benchtime=%dx", ops))
		cmd.Dir, cmd.Stdout, cmd.Stderr = sides[i].Dir(), &output[i], &output[i]
		if err := startOn(d.CPU, cmd); err != nil {
			return used, errors.Join(fmt.Errorf("bench: %s of %s: %w", d.Benchmark, sides[i].Name, err), abandon(cmds))
		}
		cmds[i] = cmd
	}
	for i, cmd := range cmds {
		if failed := cmd.Wait(); failed != nil {
			err = errors.Join(err, fmt.Errorf("bench: %s of %s: %w: %s", d.Benchmark, sides[i].Name, failed, ending(output[i].String())))
			continue
		}
		if !bytes.Contains(output[i].Bytes(), []byte("ns/op")) {
			err = errors.Join(err, fmt.Errorf("bench: %s has no %s by itself", sides[i].Name, d.Benchmark))
		}
		used[i] = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	}
	return used, err
}

// abandon ends those that have been started.
func abandon(cmds [2]*exec.Cmd) error {
	for _, cmd := range cmds {
		if cmd == nil {
			continue
		}
		if err := cmd.Process.Kill(); err != nil {
			return err
		}
		_ = cmd.Wait() // it was killed
	}
	return nil
}

// exactly is the regular expression of -test.bench for one benchmark, by the name that go test prints.
func exactly(name string) string {
	for _, procs := range []int{runtime.GOMAXPROCS(0), runtime.NumCPU()} { // programs by older releases of Go do not know a limit of a cgroup
		if short, ok := strings.CutSuffix(name, fmt.Sprintf("-%d", procs)); ok && procs > 1 {
			name = short
			break
		}
	}
	parts := strings.Split(name, "/")
	for i, p := range parts {
		parts[i] = "^" + regexp.QuoteMeta(p) + "$"
	}
	return strings.Join(parts, "/")
}

// ending is the end of what a process has printed, in one line.
func ending(output string) string {
	const most = 200
	text := strings.Join(strings.Fields(output), " ")
	return text[max(0, len(text)-most):]
}
