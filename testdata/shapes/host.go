package main

import (
	"net/http"
	"runtime"
	"runtime/debug"
	"time"
)

// pages are small and large: /page?n=1.
func isLarge(r *http.Request) bool { return r.FormValue("n") == "large" }

//go:noinline
func renderPage(large bool) {
	burn(3 * time.Millisecond)
	if large {
		justify()
	}
}

//go:noinline
func justify() { burn(250 * time.Millisecond) }

func cpuBound(*env) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		renderPage(isLarge(r))
		reply(w, nil)
	}
}

// node is what the collector has to visit.
type node struct {
	next  *node
	other [6]*node
}

var live *node

//go:noinline
func decode(n int) *node {
	var head *node
	for range n {
		head = &node{next: head}
	}
	return head
}

// garbage lives with a memory limit that leaves hardly anything above what is live.
func garbage(*env) http.HandlerFunc {
	live = decode(1_500_000) // 96 MB
	debug.SetGCPercent(-1)
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	debug.SetMemoryLimit(int64(m.Sys-m.HeapReleased-m.HeapIdle) + 32<<20)
	return func(w http.ResponseWriter, r *http.Request) {
		runtime.KeepAlive(decode(40_000)) // 2.5 MB
		reply(w, nil)
	}
}

//go:noinline
func compress() { burn(30 * time.Millisecond) }

func compressed(*env) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		compress()
		reply(w, nil)
	}
}
