package inprocess_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mayfly-profiler/mayfly/internal/target"
)

// confined runs a program to its end in a control group with a limit of memory, and returns what it says of itself.
func confined(t *testing.T, limit int64, exe string, args ...string) map[string]any {
	t.Helper()
	root, file := "/sys/fs/cgroup", "memory.max"
	if _, err := os.Stat(filepath.Join(root, "cgroup.controllers")); err != nil {
		root, file = filepath.Join(root, "memory"), "memory.limit_in_bytes" // cgroup v1
	}
	dir := filepath.Join(root, fmt.Sprintf("mayfly-test-memory-%d", os.Getpid()))
	target.Need(t, os.Mkdir(dir, 0o755))
	defer os.Remove(dir)
	if err := os.WriteFile(filepath.Join(dir, file), fmt.Append(nil, limit), 0); err != nil {
		target.Need(t, fmt.Errorf("no limit of memory can be set here: %w: %w", errors.ErrUnsupported, err))
	}
	os.WriteFile(filepath.Join(dir, "memory.swap.max"), []byte("0"), 0)
	c := exec.Command("/bin/sh", append([]string{"-c", `echo $$ > "$0/cgroup.procs" && exec "$@"`, dir, exe}, args...)...)
	var stderr strings.Builder
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%q: %v\n%s", args, err, stderr.String())
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	var truth map[string]any
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &truth); err != nil {
		t.Fatalf("%q: %v", lines, err)
	}
	return truth
}

// A service that has nearly all the memory that its control group allows is profiled, and lives: no helper is started. Two
// of three such services were killed, because their helper was smaller and as important.
func TestProfilingWithoutMemory(t *testing.T) {
	exe := target.Compile(t, "session", target.Build{Module: true})
	truth := confined(t, 188<<20, exe, "-d", "300ms", "-ballast", "140", "-again", "20")
	denied := fmt.Sprint(truth["summary"].(map[string]any)["denied"])
	if !strings.Contains(denied, "of the memory that the control group may use") {
		t.Errorf("denied: %s", denied)
	}
	if truth["failed"].(float64) != 0 {
		t.Errorf("%v of 20 sessions failed", truth["failed"])
	}
}

// When memory runs out while a helper is there, the helper is what goes, and sessions say so. How much the two need depends on the
// release and the machine, so the program takes more until it runs out; it is never the one to be killed. A helper that waited for the
// kernel to kill it was followed by the program in 3 of 8 runs.
func TestHelperGoesFirst(t *testing.T) {
	exe := target.Compile(t, "session", target.Build{Module: true})
	for grow := 70; grow <= 88; grow += 9 {
		truth := confined(t, 188<<20, exe, "-d", "300ms", "-ballast", "80", "-grow", fmt.Sprint(grow), "-again", "3")
		t.Logf("%v of 3 sessions failed beside %d MiB: %v", truth["failed"], 80+grow, truth["why"])
		if truth["failed"].(float64) > 0 {
			return
		}
	}
	t.Error("memory did not run out")
}
