package profiler

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/proc"
)

// A recording is of one process. Some do little themselves: the parent of a prefork server, a shell, a
// tool that starts others. What their children use meanwhile is not in the profile, and nobody would know.
// So it is counted, from /proc, once a second.

const (
	familyEvery = time.Second
	maxFamily   = 256 // processes that are followed
	maxNamed    = 4   // that are named
)

// family are the processes below the target.
type family struct {
	target *proc.Process
	waited time.Duration // what the target's ended children had used before the recording
	gone   time.Duration // what those have used that ended meanwhile, as far as seen
	kin    map[int]*kin  // those that run
}

// kin is a child, or one of its children.
type kin struct {
	p         *proc.Process
	name      string
	from, cpu time.Duration // its clock when the recording began, and at the last reading
}

func newFamily(p *proc.Process) *family {
	f := &family{target: p, kin: make(map[int]*kin)}
	f.waited, _ = p.Waited()
	f.read()
	for _, k := range f.kin {
		k.from = k.cpu
	}
	return f
}

// read reads the clocks of all that there are.
func (f *family) read() {
	f.find(f.target)
	for pid, k := range f.kin {
		if now, err := k.p.CPU(); err == nil {
			k.cpu = now
		}
		if !k.p.Alive() {
			f.gone += k.cpu - k.from
			k.p.Close()
			delete(f.kin, pid)
		}
	}
}

// find takes up new ones, and theirs.
func (f *family) find(parent *proc.Process) {
	for _, pid := range parent.Children() {
		k := f.kin[pid]
		if k == nil {
			p, err := proc.Open(pid)
			if err != nil || len(f.kin) >= maxFamily {
				continue
			}
			k = &kin{p: p, name: p.Comm()}
			f.kin[pid] = k
		}
		f.find(k.p)
	}
}

// cpu is the time that all have used since the beginning: by the target's count those that it waited
// for, by their own clocks the others.
func (f *family) cpu() time.Duration {
	gone, alive := f.gone, time.Duration(0)
	for _, k := range f.kin {
		alive += k.cpu - k.from
	}
	if waited, err := f.target.Waited(); err == nil {
		gone = max(gone, waited-f.waited)
	}
	return alive + gone
}

// names are those that used the most and still run, as "PID NAME".
func (f *family) names() (names []string) {
	var all []*kin
	for _, k := range f.kin {
		if k.cpu > k.from {
			all = append(all, k)
		}
	}
	slices.SortFunc(all, func(a, b *kin) int {
		return cmp.Or(cmp.Compare(b.cpu-b.from, a.cpu-a.from), cmp.Compare(a.p.PID(), b.p.PID()))
	})
	for _, k := range all[:min(len(all), maxNamed)] {
		names = append(names, fmt.Sprintf("%d %s", k.p.PID(), k.name))
	}
	return names
}

func (f *family) close() {
	for _, k := range f.kin {
		k.p.Close()
	}
}
