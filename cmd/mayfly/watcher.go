package main

import (
	"sync"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/report"
	"github.com/mayfly-profiler/mayfly/internal/watch"
	"github.com/mayfly-profiler/mayfly/profiler"
)

// watchFlags is the command line of watch.
type watchFlags struct {
	recordFlags          // the recording; output is the folder
	slo         string   //
	burns       []string //
	window      duration //
	disk        diskLimit
	exec        string // command line of the hook
	webhook     string // URL
	noTrace     bool
	metrics     string // series
	metricsURL  string

	options watch.Options // what the flags say
	series  watch.Series  // of metrics
	hook    []string      // words of exec
}

// watcher is a watch under way: a flight recorder whose windows are of two kinds. A healthy one is taken whenever the objective is met
// and the last is older than the window.
type watcher struct {
	env   *env
	flags *watchFlags
	store *store
	ring  *profiler.Ring
	alarm *watch.Alarm
	line  *progress

	scraper *scraper // nil: latencies are those of the recording
	began   time.Time

	healthy  *profiler.Window // the last one
	met      time.Time        // when that was
	waiting  *breach          // whose window is not complete
	quiet    time.Time        // until when no other breach is reported
	breaches int
	most     int    // goroutines that a slice had
	ended    string // why the last slice ended
	writing  sync.WaitGroup
}

// breach is one that was seen.
type breach struct {
	at              time.Time
	state           watch.State
	window, healthy *profiler.Window // healthy: nil if there was none
	trace           *traceFetch      // nil: none was asked for
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
