package main

import (
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/mayfly-profiler/mayfly/testdata/run"
)

// The neighbour has the service's CPU, and not that of the carrier and the database: they would be
// slow too, and then the network would be a cause as well.

// shareCPU keeps all threads of the service on the first CPU that it may use.
func (s *service) shareCPU() error {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, t := range tasks {
		tid, err := strconv.Atoi(t.Name())
		if err != nil {
			return err
		}
		if err := firstCPU(tid); err != nil {
			return err
		}
	}
	return nil
}

// firstCPU keeps a thread, and those that it starts, on the first CPU that it may use.
func firstCPU(tid int) error {
	var may, first unix.CPUSet
	if err := unix.SchedGetaffinity(tid, &may); err != nil {
		return err
	}
	for cpu := range len(may) * 64 {
		if may.IsSet(cpu) {
			first.Set(cpu)
			break
		}
	}
	return unix.SchedSetaffinity(tid, &first)
}

// startNeighbour starts a thread that computes for as long as the process lives.
func startNeighbour() {
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1)
	go func() {
		runtime.LockOSThread()
		run.Check(firstCPU(0))
		for x := uint64(1); ; x = x*6364136223846793005 + 1 {
			if x == 0 {
				sink.Add(1)
			}
		}
	}()
}
