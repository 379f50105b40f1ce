//go:build amd64 || arm64

package bpf

import (
	"slices"

	"github.com/mayfly-profiler/mayfly/internal/proc"
)

// Events are on the CPUs that a thread of the target may run on, and follow it: CPUs go offline and come back, cpusets and
// affinities change. A CPU that is isolated from the target is not interrupted for it.

// reach tells which CPUs there are, and which of them the target may use.
type reach struct {
	online   func() ([]int, error)
	affinity func() ([]int, error)
}

// cpus are those that are to have an event: where nobody knows what the target may use, all that are online.
func (r reach) cpus() ([]int, error) {
	online, err := r.online()
	if err != nil {
		return nil, err
	}
	may, err := r.affinity()
	own := slices.DeleteFunc(slices.Clone(online), func(cpu int) bool { return cpu < proc.AffinityCPUs && !slices.Contains(may, cpu) })
	if err != nil || len(own) == 0 {
		return online, nil
	}
	return own, nil
}
