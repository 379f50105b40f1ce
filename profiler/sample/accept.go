package sample

import (
	"fmt"
	"strings"
)

// AcceptQueue is how many connections to a socket waited for the program to accept them, as the kernel said 50 times a second. Time that
// a client waits there is in no handler.
type AcceptQueue struct {
	Addr    string `json:"addr"`    // that the program listens at
	Ticks   int64  `json:"ticks"`   // how often the kernel was asked,
	Waiting int64  `json:"waiting"` // and there were any
	Sum     int64  `json:"sum"`     // of connections, over all ticks
	Most    int64  `json:"most"`    // at once
}

// Mean is how many connections waited on average.
func (q AcceptQueue) Mean() float64 { return float64(q.Sum) / float64(max(q.Ticks, 1)) }

// Add adds later ticks of the same socket.
func (q *AcceptQueue) Add(o AcceptQueue) {
	q.Ticks, q.Waiting, q.Sum, q.Most = q.Ticks+o.Ticks, q.Waiting+o.Waiting, q.Sum+o.Sum, max(q.Most, o.Most)
}

const acceptQueue = "%s ticks=%d waiting=%d sum=%d most=%d"

// String is "0.0.0.0:8080 ticks=500 waiting=480 sum=5600 most=34".
func (q AcceptQueue) String() string {
	return fmt.Sprintf(acceptQueue, q.Addr, q.Ticks, q.Waiting, q.Sum, q.Most)
}

// maxAcceptQueues is how many sockets are read of a comment.
const maxAcceptQueues = 64

// ParseAcceptQueues reads what String wrote of each, with "; " between. What is none is left out.
func ParseAcceptQueues(text string) (all []AcceptQueue) {
	for one := range strings.SplitSeq(text, "; ") {
		var q AcceptQueue
		if n, _ := fmt.Sscanf(one, acceptQueue, &q.Addr, &q.Ticks, &q.Waiting, &q.Sum, &q.Most); n != 5 || len(all) == maxAcceptQueues {
			continue
		}
		if q.Waiting >= 0 && q.Waiting <= q.Ticks && q.Sum >= q.Waiting && q.Most >= 0 && q.Most <= q.Sum {
			all = append(all, q)
		}
	}
	return all
}
