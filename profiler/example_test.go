package profiler_test

import (
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/mayfly-profiler/mayfly/profiler"
	"github.com/mayfly-profiler/mayfly/profiler/labels"
)

// A program records itself.
func ExampleStart() {
	s, err := profiler.Start(profiler.Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	time.Sleep(10 * time.Second) // what is to be recorded
	p, err := s.Stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	fmt.Println(s.Summary().EngineCPU)
	p.Write(os.Stdout)
}

// A service can be recorded by whoever may ask it, and its requests have names.
func ExampleHandler() {
	mux := http.NewServeMux()
	mux.Handle("/debug/mayfly/profile", profiler.Handler())
	http.ListenAndServe("localhost:6060", labels.Handler(mux))
}
