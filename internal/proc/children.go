package proc

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

const (
	maxChildren = 1024 // that are reported
	maxParents  = 1024 // threads that are asked for theirs
)

// Children returns the processes that this one has started and that have not been waited for, ascending.
// There are none on kernels that do not tell (CONFIG_PROC_CHILDREN).
func (p *Process) Children() (pids []int) {
	tids, _ := p.Threads(nil)
	for _, tid := range tids[:min(len(tids), maxParents)] {
		b, err := p.read(filepath.Join("task", strconv.Itoa(tid), "children"))
		if err != nil {
			continue
		}
		for _, f := range bytes.Fields(b) {
			if pid, err := strconv.Atoi(string(f)); err == nil && pid > 0 && len(pids) < maxChildren {
				pids = append(pids, pid)
			}
		}
	}
	slices.Sort(pids)
	return pids
}

// Waited returns the CPU time of the children that have ended and were waited for, theirs included, in
// steps of 10 ms. A process that has ended has it until it is reaped.
func (p *Process) Waited() (time.Duration, error) {
	st, err := p.stat()
	if err == nil && st.start != p.start {
		err = fmt.Errorf("proc: %s: %w", p.path(), ErrNoProcess)
	}
	return st.waited, err
}
