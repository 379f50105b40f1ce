package target

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Host builds the C program testdata/embed/host, with the Go archive linked in if there is one, and
// returns the executable's path, which is valid during the test.
func Host(t testing.TB, archive string) string {
	t.Helper()
	root, err := moduleRoot()
	check(t, err)
	cmd := exec.Command("cc", "-O2", "-rdynamic", "-o", filepath.Join(t.TempDir(), "host"), "host.c")
	cmd.Dir = filepath.Join(root, "testdata", "embed", "host")
	if err := cCompiler(&exec.Cmd{Dir: cmd.Dir, Env: os.Environ()}); err != nil {
		check(t, err)
	}
	if archive != "" {
		cmd.Args = append(cmd.Args, "-Wl,--whole-archive", archive, "-Wl,--no-whole-archive")
	}
	cmd.Args = append(cmd.Args, "-ldl", "-lpthread")
	if text, err := cmd.CombinedOutput(); err != nil {
		check(t, fmt.Errorf("target: build host.c: %w\n%s", err, text))
	}
	return cmd.Args[4]
}
