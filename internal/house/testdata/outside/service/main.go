// A service that can be recorded by whoever may ask it.
package main

import (
	"fmt"
	"net/http"

	"google.golang.org/grpc"

	"github.com/mayfly-profiler/mayfly/profiler/fgprof"
	"github.com/mayfly-profiler/mayfly/profiler/inprocess"
	"github.com/mayfly-profiler/mayfly/profiler/labels"
	"github.com/mayfly-profiler/mayfly/profiler/labels/rpc"
)

func main() {
	mux := http.NewServeMux()
	mux.Handle("/debug/mayfly/profile", inprocess.Handler())
	mux.Handle("/debug/fgprof", fgprof.Handler())
	_ = grpc.NewServer(grpc.UnaryInterceptor(rpc.Unary), grpc.StreamInterceptor(rpc.Stream))
	fmt.Println(labels.Handler(mux) != nil)
}
