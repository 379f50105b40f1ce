package report

import (
	"fmt"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// Requests are what handlers see of them. A connection that the program has not accepted yet waits before all of that.

// What a queue is before a socket: a program that accepts at once leaves a connection there for microseconds.
const (
	oftenWaiting = 0.1 // of the looks found some
	mostAtOnce   = 2
)

// before says where clients wait before the handlers, a sentence for each socket.
func before(queues []sample.AcceptQueue) (notes []string) {
	for _, q := range queues {
		if often := float64(q.Waiting) / float64(max(q.Looks, 1)); often >= oftenWaiting && q.Most >= mostAtOnce {
			notes = append(notes, fmt.Sprintf("clients wait before the handlers, which these times do not have: in %.0f %% of %d looks %s had "+
				"connections that nobody had accepted, %.1f on average, %d at most (a limit on connections, or an accept loop that does not run)",
				100*often, q.Looks, q.Addr, q.Mean(), q.Most))
		}
	}
	return notes
}
