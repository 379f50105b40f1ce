package query

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// lastSecond is the latest time there is, in Unix seconds: what is later is none of nanoseconds.
const lastSecond = 1<<33 - 1

// moment reads a time: now, a duration before it, a date, or Unix seconds.
func moment(key, text string, now time.Time) (t time.Time, err error) {
	ago, relative := strings.CutPrefix(text, "now")
	if strings.HasPrefix(ago, "-") {
		relative = true
	}
	switch {
	case relative && ago == "":
		t = now
	case relative:
		var d time.Duration
		d, err = time.ParseDuration(ago)
		if t = now.Add(d); err == nil && d > 0 {
			err = strconv.ErrRange // now2h
		}
	default:
		t, err = absolute(text)
	}
	if err != nil || t.Unix() <= 0 || t.Unix() > lastSecond {
		return t, fmt.Errorf("%s: want now, a duration before it such as -2h, a time such as 2026-01-02T15:04:05Z, or Unix seconds", key)
	}
	return t, nil
}

func absolute(text string) (time.Time, error) {
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.Unix(seconds, 0), nil
	}
	return time.Parse(time.RFC3339Nano, text)
}
