package proc

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// A recording is of one process. Some do little themselves: the parent of a prefork server, a shell, a
// tool that starts others. What their children use meanwhile is not in the profile, and nobody would know.
// So it is counted, from /proc, once a second.

const (
	maxFamily = 256 // processes that are followed
	maxNamed  = 4   // that are named
)

// Family are the processes below one, and what they have used since NewFamily. It is for one goroutine at a time.
type Family struct {
	parent *Process
	waited time.Duration // what the parent's ended children had used before
	gone   time.Duration // what those have used that ended meanwhile, as far as seen
	kin    map[int]*kin  // those that run
}

// kin is a child, or one of its children.
type kin struct {
	p         *Process
	name      string
	from, cpu time.Duration // its clock at NewFamily, and at the last reading
}

// NewFamily begins to count. The caller closes the family, and keeps p open until then.
func NewFamily(p *Process) *Family {
	f := &Family{parent: p, kin: make(map[int]*kin)}
	f.waited, _ = p.Waited()
	f.Read()
	for _, k := range f.kin {
		k.from = k.cpu
	}
	return f
}

// Read reads the clocks of all that there are. What a process uses between two readings is lost when it ends and nobody waits
// for it.
func (f *Family) Read() {
	f.find(f.parent)
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
func (f *Family) find(parent *Process) {
	for _, pid := range parent.Children() {
		k := f.kin[pid]
		if k == nil {
			if len(f.kin) >= maxFamily {
				continue
			}
			p, err := Open(pid)
			if err != nil {
				continue
			}
			k = &kin{p: p, name: p.Comm()}
			f.kin[pid] = k
		}
		f.find(k.p)
	}
}

// CPU is the time that all have used since NewFamily: by the parent's count those that it waited
// for, by their own clocks the others.
func (f *Family) CPU() time.Duration {
	gone, alive := f.gone, time.Duration(0)
	for _, k := range f.kin {
		alive += k.cpu - k.from
	}
	if waited, err := f.parent.Waited(); err == nil {
		gone = max(gone, waited-f.waited)
	}
	return alive + gone
}

// Names are those that used the most and still run, as "PID NAME".
func (f *Family) Names() (names []string) {
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

// Close closes the processes, except the parent.
func (f *Family) Close() {
	for _, k := range f.kin {
		k.p.Close()
	}
}
