package main

import (
	"slices"
	"testing"
)

// A process for which there was no room is taken up when another one has ended: who watches a host for days has many come and go.
func TestFinderHasRoomAgain(t *testing.T) {
	x := newFinder(newFleet(&env{getenv: func(string) string { return "1" }}, fleetOptions{}, nil))
	const first, last = 1 << 30, 1<<30 + mostProcesses // no host has these processes
	pids := []int{}
	for pid := first; pid <= last; pid++ {
		pids = append(pids, pid)
		if err := x.admit(pid, func() {}); (err != nil) != (pid == last) {
			t.Errorf("process %d: %v", pid-first, err)
		}
	}
	if due, gone := x.due(pids); len(due)+len(gone) != 0 {
		t.Errorf("all are taken up or refused: %v are due, %v are gone", due, gone)
	}
	x.end(first, nil)
	pids = pids[1:]
	due, gone := x.due(pids)
	if want := []int{last}; !slices.Equal(due, want) || !slices.Equal(gone, want) {
		t.Errorf("with room for one: %v are due, %v are told to be gone, want %v", due, gone, want)
	}
	left := false
	if err := x.admit(last, func() { left = true }); err != nil {
		t.Error(err)
	}
	if due, gone := x.due(pids); len(due)+len(gone) != 0 || len(x.stops) != mostProcesses {
		t.Errorf("%d are recorded, %v are due, %v are gone", len(x.stops), due, gone)
	}
	x.leave(last)
	if due, gone := x.due(pids); len(due)+len(gone) != 0 || len(x.stops) != mostProcesses-1 || !left {
		t.Errorf("while a recording ends %d others go on, %v are due, %v are gone, it was stopped: %v", len(x.stops), due, gone, left)
	}
	x.end(last, nil)
	if due, gone := x.due(pids); !slices.Equal(due, []int{last}) || len(gone) != 0 {
		t.Errorf("when it has ended %v are due, %v are gone", due, gone)
	}
}
