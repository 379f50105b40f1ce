//go:build !linux

package bench

import (
	"errors"
	"os/exec"
)

// CPUs are not known on this platform.
func CPUs() ([]int, error) { return nil, errors.ErrUnsupported }

func startOn(int, *exec.Cmd) error { return errors.ErrUnsupported }
