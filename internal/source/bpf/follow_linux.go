//go:build amd64 || arm64

package bpf

import (
	"errors"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mayfly-profiler/mayfly/internal/proc"
)

const followEvery = time.Second

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
