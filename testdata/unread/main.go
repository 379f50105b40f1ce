// Command unread serves HTTP on loopback with one P, which another goroutine has all the time: a request that comes in waits until the
// runtime looks at the network. The ready line tells the address: "ready http=ADDR".
//
// It has no truth of its own: whoever sends a request knows when it was sent and when it was answered.
package main

import (
	"net"
	"net/http"
	"runtime"

	"github.com/mayfly-profiler/mayfly/testdata/run"
)

var sum int

func main() {
	runtime.GOMAXPROCS(1)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	run.Check(err)
	go http.Serve(l, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	go func() {
		for !run.Stopped() {
			sum++
		}
	}()
	run.Ready("http=" + l.Addr().String())
	run.Wait()
	run.Truth(nil)
}
