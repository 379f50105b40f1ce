package profiler

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/mayfly-profiler/mayfly/internal/target"
)

// A helper's budget is a share of what the program may use, and not of the machine: beyond its quota of CPU time the
// kernel throttles the program for what its helper took.
func TestBudgetIsOfTheQuota(t *testing.T) {
	if os.Getenv("MAYFLY_TEST_QUOTA") != "" {
		bufio.NewReader(os.Stdin).ReadString('\n') // in the control group now
		fmt.Println("budget", cores(0.02))
		return
	}
	c := exec.Command(os.Args[0], "-test.run=^TestBudgetIsOfTheQuota$")
	c.Env = append(os.Environ(), "MAYFLY_TEST_QUOTA=1")
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	c.Stdout = &out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer c.Wait()
	defer in.Close()
	target.Quota(t, c.Process.Pid, 0.5)
	in.Close()
	if err := c.Wait(); err != nil || !strings.Contains(out.String(), "budget 0.01\n") {
		t.Errorf("%v, %q, want 2 %% of half a CPU", err, out.String())
	}
}
