package main

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"
)

// A process for which there was no room is taken up when another one has ended: who watches a host for days has many come and go.
func TestFinderHasRoomAgain(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var mu sync.Mutex
	refused := map[int]bool{}
	x := newFinder(newFleet(&env{getenv: func(string) string { return "1" }}, fleetOptions{}, func(ev event) error {
		mu.Lock()
		defer mu.Unlock()
		if ev.err == errMany {
			refused[ev.pid] = true
		}
		return nil
	}))
	const first, none = 1 << 30, time.Hour // no host has these processes, and none is recorded before the test is over
	pids := []int{}
	for i := range mostProcesses + 1 {
		pids = append(pids, first+i)
		x.begin(ctx, first+i, none)
	}
	last := pids[mostProcesses]
	if due, gone := x.due(pids); len(due)+len(gone) != 0 {
		t.Errorf("all are taken up or refused: %v are due, %v are gone", due, gone)
	}
	x.end(first, nil)
	pids = pids[1:]
	due, gone := x.due(pids)
	if want := []int{last}; !slices.Equal(due, want) || !slices.Equal(gone, want) {
		t.Errorf("with room for one: %v are due, %v are told to be gone, want %v", due, gone, want)
	}
	x.begin(ctx, last, none)
	if due, gone := x.due(pids); len(due)+len(gone) != 0 || x.recorded() != mostProcesses {
		t.Errorf("%d are recorded, %v are due, %v are gone", x.recorded(), due, gone)
	}
	cancel()
	x.wg.Wait()
	if len(refused) != 1 || !refused[last] {
		t.Errorf("refused were %v, want %d", refused, last)
	}
}
