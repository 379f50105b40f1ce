package profiler

import (
	"context"
	"sync"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// A client may wait before any handler knows of it: the kernel has made its connection, and the program does not accept it, because a
// limit on connections is reached (netutil.LimitListener) or because the goroutine that accepts gets no CPU. No goroutine waits then
// that could be seen. But the kernel says how many connections there are, and asking costs three system calls, some 3 us.

const (
	acceptEvery = 20 * time.Millisecond
	maxAccepts  = 16 // sockets
)

// acceptors watches what the target listens at.
type acceptors struct {
	target *proc.Process

	mu     sync.Mutex
	queues []sample.AcceptQueue // since the last take
}

// run asks until ctx ends. Sockets that are opened later are not seen, those that are closed are left out from then on.
func (a *acceptors) run(ctx context.Context) {
	sockets, err := a.target.Listening()
	if err != nil {
		return // peers want the same rights, and say so
	}
	sockets = sockets[:min(len(sockets), maxAccepts)]
	a.mu.Lock()
	for _, s := range sockets {
		a.queues = append(a.queues, sample.AcceptQueue{Addr: s.Addr.String()})
	}
	a.mu.Unlock()
	open := len(sockets)
	for range proc.Ticks(ctx, acceptEvery) {
		for i := range sockets {
			if sockets[i].FD >= 0 && !a.count(i, &sockets[i]) {
				sockets[i].FD = -1
				open--
			}
		}
		if open == 0 {
			return
		}
	}
}

// count counts the connections that wait at a socket, false if it is gone.
func (a *acceptors) count(i int, s *proc.Listener) bool {
	n, err := a.target.Unaccepted(*s)
	if err != nil {
		return false
	}
	q := sample.AcceptQueue{Ticks: 1, Sum: int64(n), Most: int64(n)}
	if n > 0 {
		q.Waiting = 1
	}
	a.mu.Lock()
	a.queues[i].Add(q)
	a.mu.Unlock()
	return true
}

// take is what was seen since the last call.
func (a *acceptors) take() (all []sample.AcceptQueue) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range a.queues {
		if q := &a.queues[i]; q.Ticks > 0 {
			all = append(all, *q)
			*q = sample.AcceptQueue{Addr: q.Addr}
		}
	}
	return all
}
