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
		if err := x.admit(pid); (err != nil) != (pid == last) {
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
	if err := x.admit(last); err != nil {
		t.Error(err)
	}
	if due, gone := x.due(pids); len(due)+len(gone) != 0 || x.recorded() != mostProcesses {
		t.Errorf("%d are recorded, %v are due, %v are gone", x.recorded(), due, gone)
	}
}
