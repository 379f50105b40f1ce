// A program records itself.
package main

import (
	"fmt"
	"time"

	"github.com/mayfly-profiler/mayfly/profiler/inprocess"
)

func main() {
	s, err := inprocess.Start(inprocess.Options{})
	if err != nil {
		panic(err)
	}
	for begin := time.Now(); time.Since(begin) < 300*time.Millisecond; { // what is to be recorded
	}
	rec, err := s.Stop()
	if err != nil {
		panic(err)
	}
	fmt.Println(len(rec.Profile.Sample) > 0, rec.Summary.EngineCPU != "")
}
