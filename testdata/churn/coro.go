//go:build go1.23

package main

import (
	"iter"
	"sync/atomic"
	"time"
)

func init() { kinds = append(kinds, churnE) }

// churnE takes values out of a coroutine, which yields from different depths and places, and sleeps
// in between: its stack changes without the runtime counting a switch.
//
//go:noinline
func churnE(d time.Duration) {
	next, stop := iter.Pull(values)
	for i := 0; i < 8; i++ {
		next()
		if i&1 == 0 {
			time.Sleep(d / 4)
		}
	}
	stop()
	atomic.AddUint64(&ended, 1)
}

//go:noinline
func values(yield func(int) bool) {
	for i := 0; ; i++ {
		if i&1 == 0 && !one(yield, i) || i&1 == 1 && !two(yield, i) {
			return
		}
	}
}

//go:noinline
func one(yield func(int) bool, i int) bool { return yield(i) && i >= 0 }

//go:noinline
func two(yield func(int) bool, i int) bool { return yield(i) && i >= 0 }
