// Package tally is what the programs of this module share: label sets that count their own truth.
//
// A program makes its sets, starts its load, and calls Run. The counts are in the page that -ctl
// names, so that who records the program can read them at both ends of the recording: word
// FirstWord + 2i is the number of requests of set i that were answered, the next one the time in ns
// that their handlers took.
package tally

import (
	"context"
	"encoding/json"
	"flag"
	"os"
	"runtime/pprof"
	"runtime/trace"
	"sync/atomic"
	"time"

	"github.com/mayfly-profiler/mayfly/testdata/foreign/run"
)

// FirstWord is where the counts of the first set begin.
const FirstWord = 8

var (
	ctl       = flag.String("ctl", "", "file whose first page has the counts")
	traceFile = flag.String("trace", "", "write an execution trace to this file")
)

// A Set is one label set and what was done under it.
type Set struct {
	Labels  map[string]string `json:"labels"`
	Handler string            `json:"handler"` // the function below which all time has the labels

	words []uint64
	loops int32 // goroutines of Loop,
	begun int32 // and those that have done it once
}

// A Tally is all sets of a program.
type Tally struct {
	Sets []*Set
	page *[512]uint64

	trace *os.File // nil: none
}

// New parses the flags and opens the page.
func New() *Tally {
	flag.Parse()
	t := &Tally{page: run.Page(*ctl)}
	if *traceFile != "" {
		var err error
		t.trace, err = os.Create(*traceFile)
		run.Check(err)
		run.Check(trace.Start(t.trace))
	}
	return t
}

// Set adds a set. labels are key, value, key, value; a set without labels is one whose samples must
// have none.
func (t *Tally) Set(handler string, labels ...string) *Set {
	s := &Set{Handler: handler, Labels: make(map[string]string)}
	for i := 0; i < len(labels); i += 2 {
		s.Labels[labels[i]] = labels[i+1]
	}
	at := FirstWord + 2*len(t.Sets)
	s.words = t.page[at : at+2]
	t.Sets = append(t.Sets, s)
	return s
}

// Count counts what began at begin and is done now.
func (s *Set) Count(begin time.Time) {
	atomic.AddUint64(&s.words[0], 1)
	atomic.AddUint64(&s.words[1], uint64(time.Since(begin)))
}

// Do runs f with the labels of s on its goroutine, as programs do, and counts it.
func (s *Set) Do(ctx context.Context, f func(context.Context)) {
	var kv []string
	for k, v := range s.Labels {
		kv = append(kv, k, v)
	}
	pprof.Do(ctx, pprof.Labels(kv...), func(ctx context.Context) {
		defer s.Count(time.Now())
		f(ctx)
	})
}

// Loop starts n goroutines that do f over and over, each time under the labels of s and with a
// pause after it.
func (s *Set) Loop(n int, pause time.Duration, f func(context.Context)) {
	s.loops += int32(n)
	for range n {
		go func() {
			s.Do(context.Background(), f)
			atomic.AddInt32(&s.begun, 1)
			for !run.Stopped() {
				time.Sleep(pause)
				s.Do(context.Background(), f)
			}
		}()
	}
}

// Run says ready once every set has done something, and every loop: the first time may take long, to connect, and a request that
// was begun before who records looks is counted whole. It waits until the program should end, and tells the truth.
func (t *Tally) Run() {
	for _, s := range t.Sets {
		for atomic.LoadUint64(&s.words[0]) == 0 || atomic.LoadInt32(&s.begun) < s.loops {
			time.Sleep(time.Millisecond)
		}
	}
	run.Ready()
	run.Wait()
	if t.trace != nil {
		trace.Stop()
		run.Check(t.trace.Close())
	}
	truth := run.Measure()
	truth["sets"] = t.Sets
	run.Truth(truth)
}

// An Order is what the handlers encode and decode.
type Order struct {
	ID    int                `json:"id"`
	Items []string           `json:"items"`
	Price map[string]float64 `json:"price"`
}

// Body is an order as JSON.
var Body = func() []byte {
	o := Order{ID: 7, Price: make(map[string]float64)}
	for _, n := range []string{"adult", "nymph", "subimago", "egg", "dun", "spinner"} {
		o.Items, o.Price[n] = append(o.Items, n, n), float64(len(n))/3
	}
	b, err := json.Marshal(o)
	run.Check(err)
	return b
}()

// Work is a handler's usual piece: some 100 us on a CPU, then pause as for somebody else's answer.
func Work(pause time.Duration) []byte {
	var o Order
	var b []byte
	for range 8 {
		run.Check(json.Unmarshal(Body, &o))
		var err error
		b, err = json.Marshal(&o)
		run.Check(err)
	}
	time.Sleep(pause)
	return b
}
