package main

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/report"
	"github.com/mayfly-profiler/mayfly/internal/watch"
	"github.com/mayfly-profiler/mayfly/profiler"
)

// watchFlags is the command line of watch.
type watchFlags struct {
	recordFlags  // the recordings; output is the folder
	processFlags //
	slo          string
	burns        []string
	window       duration
	disk         diskLimit
	exec         string // command line of the hook
	webhook      string // URL
	noTrace      bool
	metrics      string // series
	metricsURL   string
	push         pushFlags
	queue        queueLimit

	objective watch.Options // what the flags say
	series    watch.Series  // of metrics
	hook      []string      // words of exec
}

// watching is a watch under way, of one process or several. Their recordings go on beside each other; reports are made one after
// the other, since there is memory for one.
type watching struct {
	env     *env
	flags   *watchFlags
	store   *store
	line    *progress
	now     func() time.Time
	began   time.Time
	turn    chan struct{}  // has room for the one that makes a report
	writing sync.WaitGroup // breaches
	backlog *backlog       // of what is sent; nil: nothing is

	mu       sync.Mutex
	watchers map[int]*watcher // by process
	breaches int
}

// watcher watches a process: a flight recorder whose windows are of two kinds. A healthy one is taken whenever the objective is met and
// the last is older than the window.
type watcher struct {
	*watching
	pid   int
	name  string
	ring  *profiler.Ring
	alarm *watch.Alarm

	scraper *scraper           // nil: latencies are those of the recording
	stop    context.CancelFunc // ends it; or nil

	healthy *profiler.Window // the last one
	met     time.Time        // when that was
	waiting *breach          // whose window is not complete
	quiet   time.Time        // until when no other breach is reported
	busy    atomic.Bool      // and none while one is written
	begun   time.Time        // when there was a slice
	ended   string           // why the last one ended
	most    int              // requests in a window
	counted bool             // it was said if they are too few

	goroutines int         // that a slice had; under the lock of watching, as is what follows
	last       watch.State // what the last slice said
}

// breach is one that was seen.
type breach struct {
	at              time.Time
	state           watch.State
	window, healthy *profiler.Window // healthy: nil if there was none
	trace           *traceFetch      // nil: none was asked for
	pushed          *outgoing        // nil: nothing is sent
	stem            string           // of the files
}

// breachEvent is what is printed of a breach, and what a hook is told.
type breachEvent struct {
	Time     time.Time     `json:"time"`
	PID      int           `json:"pid"`
	Program  string        `json:"program"`
	SLO      string        `json:"slo"`
	Why      string        `json:"why"` // it is called a breach
	Requests int           `json:"requests"`
	Slow     int           `json:"slow"`
	Verdict  string        `json:"verdict"` // of the report on the recording; "" if there is none
	Cause    *report.Cause `json:"cause"`   // nil unless that names one
	Files    breachFiles   `json:"files"`
}

// breachFiles are the paths of what was written, "" for what was not.
type breachFiles struct {
	Profile string `json:"profile"`
	Report  string `json:"report"`
	JSON    string `json:"json"`
	Trace   string `json:"trace"`
	Healthy string `json:"healthy"`
}
