// Package query gets profiles back from servers that keep them: of one service in one range of time, added up by the server. It
// connects to the address that it is given and to no other, and follows no redirect.
package query

import (
	"context"
	"net/url"
	"time"
)

// Query is what a server is asked for. Parse makes it.
type Query struct {
	of          *database
	server      *url.URL // http or https, without user
	user        *url.Userinfo
	place       string    // as it is printed: without what may be a secret
	kind        string    // <name>:<type>:<unit>:<period_type>:<period_unit>, of Parca with :delta
	selector    string    // of labels: {...}
	from, until time.Time // profiles that began in [from, until)
}

// String is the query without what may be a secret: user and labels. It has the range as it was understood.
func (q *Query) String() string {
	return q.place + "?from=" + q.from.UTC().Format(time.RFC3339Nano) + "&until=" + q.until.UTC().Format(time.RFC3339Nano)
}

// cut makes n queries of equal ranges of one, to the millisecond.
func (q *Query) cut(n int) []*Query {
	all := make([]*Query, n)
	for i := range all {
		piece := *q
		piece.from, piece.until = q.at(i, n), q.at(i+1, n)
		all[i] = &piece
	}
	return all
}

// at is where the i-th of n pieces begins.
func (q *Query) at(i, n int) time.Time {
	return time.UnixMilli(q.from.UnixMilli() + (q.until.UnixMilli()-q.from.UnixMilli())*int64(i)/int64(n))
}

// database is a kind of server.
type database struct {
	name string
	// read reads what an address has behind the server's name: the path.
	read func(q *Query, path string) ([]matcher, error)
	ask  func(ctx context.Context, c *Client, q *Query, most int64) ([]byte, error)
}

// defaultType is CPU time, of Parca with delta behind it.
const defaultType = "process_cpu:cpu:nanoseconds:cpu:nanoseconds"

// delta ends the types of what is of a stretch of time. Of others Parca adds up scrapes, which is as much as there were.
const delta = ":delta"
