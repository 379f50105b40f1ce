// Package frameworks knows what functions of the standard library and of well-known modules do for a
// request: serve it, make it wait for a connection, for its turn, for a reply. It is data (table.go) and
// the way to ask it; each row was checked against the named version of its module. It imports no more
// than package names, whose wildcards it shares.
package frameworks

import (
	"strings"

	"github.com/mayfly-profiler/mayfly/internal/goruntime/names"
)

// Role is what a function does for a request that it is on the stack of.
type Role uint8

const (
	None       Role = iota
	Handles         // is called once for each request, and lasts as long
	Serves          // is called once for each connection: what it calls is a request, in between it is idle
	Accepts         // waits for connections
	Beside          // runs beside a request and ends none of its waits: reads ahead, ticks, cleans up
	Pool            // waits for one of a limited number of connections
	Limit           // waits for one of a limited number of places
	Rate            // waits until its turn has come, by the clock
	Retry           // waits between two tries, by the clock
	Batch           // waits until enough has come together, or a timer fires
	Joins           // waits for a call that another request makes
	Replies         // waits for the reply of a peer, which the goroutine of a connection reads
	Flow            // waits until a peer takes more: flow control, stream limits
	Resolves        // asks the name service
	Dials           // opens a connection
	Handshakes      // agrees on keys: TLS
)

// Entry is what is known of one function.
type Entry struct {
	Function string // as names.Match reads it: a dot or a star at the end makes it a prefix
	Role     Role
	What     string // in the words of a report: what is waited for, or what waits
	By       string // the function that the others are in: who reads the answer, makes the call, has the connection or the place
	Module   string // "std" for the standard library
	Version  string // the newest one that it was checked on
}

// Of is the entry of a function. The zero Entry is of one that is not known.
func Of(function string) Entry {
	function = plain(function)
	for _, i := range byStart[start(function)] {
		if names.Match(function, []string{table[i].Function}) {
			return table[i]
		}
	}
	return Entry{}
}

// All is every entry.
func All() []Entry { return append([]Entry(nil), table...) }

// Functions are those with one of the roles, for names.Match.
func Functions(roles ...Role) (list []string) {
	for _, e := range table {
		for _, r := range roles {
			if e.Role == r {
				list = append(list, e.Function)
			}
		}
	}
	return list
}

// plain drops what a compiler adds to generic functions: puddle.(*Pool[go.shape.*uint8]).Acquire.
func plain(function string) string {
	for {
		open := strings.IndexByte(function, '[')
		if open < 0 {
			return function
		}
		end := closing(function[open:])
		if end < 0 {
			return function
		}
		function = function[:open] + function[open+end+1:]
	}
}

// closing is where the bracket that s begins with is closed, -1 if nowhere.
func closing(s string) int {
	depth := 0
	for i, c := range []byte(s) {
		switch c {
		case '[':
			depth++
		case ']':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// start is the package of a function, by which the table is indexed.
func start(function string) string {
	slash := strings.LastIndexByte(function, '/') + 1
	if dot := strings.IndexByte(function[slash:], '.'); dot >= 0 {
		return function[:slash+dot]
	}
	return function
}

var byStart = index()

func index() map[string][]int {
	m := make(map[string][]int)
	for i := range table {
		k := start(table[i].Function)
		m[k] = append(m[k], i)
	}
	return m
}
