package symbolize

import (
	"fmt"

	"github.com/mayfly-profiler/mayfly/internal/proc"
)

// ErrNoProcess is wrapped by errors about a process that does not exist or has ended.
var ErrNoProcess = proc.ErrNoProcess

// Process is a Symbolizer of the process with this id, see New. Errors wrap ErrNoProcess, and fs.ErrPermission when /proc hides it.
func Process(pid int, o Options) (*Symbolizer, error) {
	p, err := proc.Open(pid)
	if err != nil {
		return nil, fmt.Errorf("symbolize: %w", err)
	}
	s, err := New(p, o)
	if err != nil {
		p.Close()
		return nil, err
	}
	s.owned = p
	return s, nil
}
