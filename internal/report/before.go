package report

import (
	"fmt"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// Requests are what handlers see of them. A connection that the program has not accepted yet waits before all of that.

// A program that accepts at once leaves a connection there for microseconds. Clients wait where the kernel had any so often, and so many
// at once.
const (
	oftenWaiting  = 0.1
	severalAtOnce = 2
)

// before says where clients wait before the handlers, a sentence for each socket.
func before(queues []sample.AcceptQueue) (notes []string) {
	for _, q := range queues {
		if often := float64(q.Waiting) / float64(max(q.Ticks, 1)); often >= oftenWaiting && q.Most >= severalAtOnce {
			notes = append(notes, fmt.Sprintf("clients wait before the handlers, which these times do not have: at %.0f %% of %d moments %s had "+
				"connections that nobody had accepted, %.1f on average, %d at most (a limit on connections, or an accept loop that does not run)",
				100*often, q.Ticks, q.Addr, q.Mean(), q.Most))
		}
	}
	return notes
}
