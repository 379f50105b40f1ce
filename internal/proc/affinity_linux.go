package proc

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// AffinityCPUs is how many CPUs an affinity can tell of.
const AffinityCPUs = 8 * int(unsafe.Sizeof(unix.CPUSet{}))

// Affinity returns the CPUs that are online and that some thread of the process may run on: what sched_setaffinity(2) and the
// cpuset of its cgroup leave to it.
func (p *Process) Affinity() ([]int, error) {
	var all, one unix.CPUSet
	if err := unix.SchedGetaffinity(p.pid, &all); err != nil {
		return nil, fmt.Errorf("proc: %s: affinity: %w", p.path(), err)
	}
	tids, err := p.Threads(nil)
	if err != nil {
		return nil, err
	}
	for _, tid := range tids {
		if unix.SchedGetaffinity(tid, &one) != nil { // it has ended
			continue
		}
		for i := range all {
			all[i] |= one[i]
		}
	}
	return list(&all), nil
}

// OwnAffinity returns the CPUs that the first thread of this process may run on, nil if nobody knows.
func OwnAffinity() []int {
	var set unix.CPUSet
	if unix.SchedGetaffinity(os.Getpid(), &set) != nil {
		return nil
	}
	return list(&set)
}

func list(set *unix.CPUSet) (cpus []int) {
	for cpu := range AffinityCPUs {
		if set.IsSet(cpu) {
			cpus = append(cpus, cpu)
		}
	}
	return cpus
}
