//go:build amd64 || arm64

package bpf

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/mayfly-profiler/mayfly/internal/target"
)

// Where file descriptors are short, that is the reason that is told, whatever the library concludes from its probes.
func TestFewFiles(t *testing.T) {
	target.Need(t, Probe())
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	few := limit
	few.Cur = 12
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &few); err != nil {
		t.Fatal(err)
	}
	defer unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
	if err := Probe(); !errors.Is(err, unix.EMFILE) {
		t.Errorf("with 12 files: %v", err)
	}
}
