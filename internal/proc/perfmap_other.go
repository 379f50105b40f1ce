//go:build !linux

package proc

import (
	"errors"
	"fmt"
	"os"
)

// OpenPerfMap opens the file in which the process names the code that it has generated. Here the error wraps
// errors.ErrUnsupported.
func (p *Process) OpenPerfMap() (*os.File, error) {
	return nil, fmt.Errorf("proc: perf map: %w", errors.ErrUnsupported)
}
