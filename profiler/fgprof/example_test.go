package fgprof_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/profiler/fgprof"
)

// What fgprof's users have in their programs, with another import.
func ExampleStart() {
	var b bytes.Buffer
	stop := fgprof.Start(&b, fgprof.FormatPprof)
	time.Sleep(200 * time.Millisecond)
	if err := stop(); err != nil {
		fmt.Println(err)
		return
	}
	p, err := profile.Parse(&b)
	fmt.Println(p.DefaultSampleType, len(p.Sample) > 0, err)
	// Output: wall true <nil>
}

// The endpoint has fgprof's parameters.
func ExampleHandler() {
	service := httptest.NewServer(fgprof.Handler())
	defer service.Close()
	answer, err := http.Get(service.URL + "?seconds=1&format=folded")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer answer.Body.Close()
	fmt.Println(answer.Status, answer.Header.Get("Content-Type"))
	// Output: 200 OK text/plain; charset=utf-8
}
