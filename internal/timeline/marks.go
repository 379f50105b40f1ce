package timeline

// marks say what a stack means for the requests that its goroutine serves.
type marks uint16

const (
	handles    marks = 1 << iota // a handler is on the stack
	keeps                        // serves a kept connection, one request after the other
	reads                        // the next request of such a connection
	answers                      // what follows the handler
	flushes                      // sends a part of an answer
	streams                      // a call that may have many answers, or a connection that was taken over
	profiling                    // net/http/pprof's handlers, which have requests of their own length
	outside                      // a wait between two requests
	listens                      // waits for connections, or for what comes in on one
	exchanges                    // net/http reads a request's body, or sends an answer
	readsAhead                   // net/http looks whether the client goes away
	oneCall                      // of a goroutine that is for one call of its connection
	sends                        // of the one that sends what such goroutines answer
)

// unwalked is the frame of a stack that could not be walked.
var unwalked = []string{"[unwalked]"}
