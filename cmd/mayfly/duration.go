package main

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// duration is a flag that takes what time.ParseDuration takes ("10s", "1m30s", "250ms") and,
// as pprof's -seconds taught people, a plain number of seconds ("10", "0.5"). It is never
// negative.
type duration time.Duration

func (d *duration) String() string {
	if *d == 0 {
		return "0" // which the help text does not show as a default
	}
	return time.Duration(*d).String()
}

// Type is the word that the help text shows for the value.
func (d *duration) Type() string { return "duration" }

// Set parses s.
func (d *duration) Set(s string) error {
	v, err := time.ParseDuration(s)
	if seconds, nerr := strconv.ParseFloat(s, 64); nerr == nil {
		if math.IsNaN(seconds) || math.Abs(seconds) > math.MaxInt64/float64(time.Second)/2 {
			return fmt.Errorf("%q is out of range", s)
		}
		v, err = time.Duration(seconds*float64(time.Second)), nil
	}
	switch {
	case err != nil:
		return fmt.Errorf("%q is no duration: write 10s, 500ms, 2m or a number of seconds", s)
	case v < 0:
		return fmt.Errorf("%q is negative", s)
	}
	*d = duration(v)
	return nil
}

// durationUsage is the help of --duration where a process is recorded for d when nobody says, and a command until it ends.
func durationUsage(d time.Duration) string {
	return fmt.Sprintf("how long to record; 0: until Ctrl-C or the end of the process (default %s; of a command 0)", d)
}
