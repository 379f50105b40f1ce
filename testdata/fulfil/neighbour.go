package main

import "runtime"

// startNeighbour starts a thread that computes for as long as the process lives.
func startNeighbour() {
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1)
	go func() {
		runtime.LockOSThread()
		for x := uint64(1); ; x = x*6364136223846793005 + 1 {
			if x == 0 {
				sink.Add(1)
			}
		}
	}()
}
