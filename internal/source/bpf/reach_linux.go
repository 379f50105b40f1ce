//go:build amd64 || arm64

package bpf

import (
	"errors"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mayfly-profiler/mayfly/internal/proc"
)

// Events are on the CPUs that a thread of the target may run on, and follow it: CPUs go offline and come back, cpusets and
// affinities change. A CPU that is isolated from the target is not interrupted for it.

const followEvery = time.Second

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

// follow gives each CPU of the target an event, and takes away those of others and those that have died with their CPU.
func (s *OnCPU) follow() {
	now := proc.Monotonic()
	if now-s.followed < int64(followEvery) {
		return
	}
	s.followed = now
	cpus, err := s.reach.cpus()
	if err != nil {
		return // as before
	}
	for i := len(s.events) - 1; i >= 0; i-- {
		if e := &s.events[i]; !e.lives() || !slices.Contains(cpus, e.cpu) {
			unix.Close(e.fd)
			s.events = slices.Delete(s.events, i, i+1)
			s.rhythm.remove(i)
		}
	}
	s.stats.Unsampled = nil
	for _, cpu := range cpus {
		if !slices.ContainsFunc(s.events, func(e event) bool { return e.cpu == cpu }) {
			s.stats.Unsampled = errors.Join(s.stats.Unsampled, s.extend(cpu))
		}
	}
	s.stats.CPUs = len(s.events)
}

// extend opens and enables an event on one more CPU, unless that went offline just now.
func (s *OnCPU) extend(cpu int) error {
	one, err := openEvents(s.objects.Sample.FD(), []int{cpu}, int(s.rate.Load()))
	if err != nil || len(one) == 0 {
		return err
	}
	if err := one.start(); err != nil {
		one.close()
		return err
	}
	s.events = append(s.events, one[0])
	s.rhythm.add(s.period(), proc.Monotonic())
	return nil
}
