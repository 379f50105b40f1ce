package inprocess_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/mayfly-profiler/mayfly/profiler"
	"github.com/mayfly-profiler/mayfly/profiler/inprocess"
	"github.com/mayfly-profiler/mayfly/profiler/labels"
)

// A program records itself: by the best engine that its rights allow, and some engine works everywhere.
func ExampleStart() {
	s, err := inprocess.Start(inprocess.Options{Mode: profiler.CPU})
	if err != nil {
		fmt.Println(err)
		return
	}
	for begin := time.Now(); time.Since(begin) < 300*time.Millisecond; { // what is to be recorded
	}
	rec, err := s.Stop()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(rec.Profile.Sample) > 0, rec.Summary.CPU.Rusage > 0, rec.Profile.CheckValid())
	// Output: true true <nil>
}

// What a program did in its last seconds is there when something was slow in them. There is no recorder where the program's own
// helper may not look at it.
func ExampleStartFlightRecorder() {
	f, err := inprocess.StartFlightRecorder(inprocess.FlightOptions{Window: 5 * time.Second})
	if err != nil {
		fmt.Println(errors.Is(err, fs.ErrPermission) || errors.Is(err, errors.ErrUnsupported))
		return
	}
	defer f.Stop()
	time.Sleep(50 * time.Millisecond) // something slow
	rec, err := f.Last(time.Second)
	fmt.Println(err == nil && rec.Profile.CheckValid() == nil)
	// Output: true
}

// A service can be recorded by whoever may ask it, and its requests have names.
func ExampleHandler() {
	mux := http.NewServeMux()
	mux.Handle("/debug/mayfly/profile", inprocess.Handler())
	service := httptest.NewServer(labels.Handler(mux))
	defer service.Close()
	answer, err := http.Get(service.URL + "/debug/mayfly/profile?seconds=1&mode=cpu")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer answer.Body.Close()
	fmt.Println(answer.Status, answer.Header.Get("Content-Disposition"))
	// Output: 200 OK attachment; filename="mayfly.pb.gz"
}
