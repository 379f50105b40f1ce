//go:build linux && (amd64 || arm64)

package bpf

import "github.com/mayfly-profiler/mayfly/internal/source"

// Probe says whether this kernel and these rights let the program load, and give it an event.
func Probe() error {
	s := &OnCPU{}
	if err := s.load(); err != nil {
		return err
	}
	defer s.Close()
	cpus, err := onlineCPUs()
	if err == nil {
		s.events, err = openEvents(s.objects.Sample.FD(), onCPUs(cpus[:1]), (*Event)(nil).attr(source.DefaultRate))
	}
	return err
}
