package main

import "time"

// reportDuration is how long a process is recorded for a report when nobody says: long enough for a
// p99 at ten requests a second.
const reportDuration = 30 * time.Second

// reportOverhead is the share of a core that a recording for a report may use. Its requests are
// traced by what was seen of them, so that looks are worth more here than in a profile.
const reportOverhead = 0.15

// reportFlags is the command line of report.
type reportFlags struct {
	recordFlags
	result     resultFlags
	slo, by    string
	failOn     []string
	exact      bool
	trace      string
	traceLimit int // MiB
	noTrace    bool
	keep       string // folder
	args       []string
}
