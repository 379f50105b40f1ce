package proc_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/internal/target"
)

// In a time namespace this process has the kernel's time all the same.
func TestMonotonicInTimeNamespace(t *testing.T) {
	if flag.Arg(0) == "tell" {
		fmt.Println("time", proc.Monotonic(), proc.TimeOffset())
		return
	}
	c := exec.Command("unshare", "--time", "--monotonic", "86400", "--fork", os.Args[0],
		"-test.run=^TestMonotonicInTimeNamespace$", "tell")
	before := proc.Monotonic()
	out, err := c.CombinedOutput()
	after := proc.Monotonic()
	if err != nil {
		target.Need(t, fmt.Errorf("%w: time namespace: %s", errors.ErrUnsupported, out))
	}
	f := strings.Fields(string(out))
	if len(f) < 3 || f[0] != "time" {
		t.Fatalf("%s", out)
	}
	at, _ := strconv.ParseInt(f[1], 10, 64)
	if at < before || at > after || f[2] != "86400000000000" {
		t.Errorf("%s between %d and %d", out, before, after)
	}
}
