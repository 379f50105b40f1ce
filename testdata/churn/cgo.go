//go:build cgo

package main

/*
#include <time.h>

extern int back(int);

static void nap(long ns) {
	struct timespec t = {0, ns};
	nanosleep(&t, 0);
}

static int forth(int n) { return n == 0 ? 0 : back(n); }
*/
import "C"

import (
	"sync/atomic"
	"time"
)

func init() { kinds = append(kinds, churnF) }

var inC = make(chan struct{}, 16) // each of them holds a thread

// churnF sleeps in C, and then in Go that was called from C. Only few do: the others end at once.
//
//go:noinline
func churnF(d time.Duration) {
	select {
	case inC <- struct{}{}:
		C.nap(C.long(d / 2))
		C.forth(C.int(d / 2))
		<-inC
	default:
	}
	atomic.AddUint64(&ended, 1)
}

//export back
func back(n C.int) C.int {
	time.Sleep(time.Duration(n))
	return 0
}
