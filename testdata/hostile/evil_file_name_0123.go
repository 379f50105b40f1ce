package main

import "time"

var sink int

//go:noinline
func evilFunctionName0123(i int) {
	lock.Lock()
	defer lock.Unlock()
	for began := time.Now(); time.Since(began) < 2*time.Millisecond; {
		sink += i
	}
}
