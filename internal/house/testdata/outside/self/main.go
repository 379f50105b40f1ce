// A program records itself.
package main

import (
	"fmt"
	"time"

	"github.com/mayfly-profiler/mayfly/profiler"
)

func main() {
	s, err := profiler.Start(profiler.Options{})
	if err != nil {
		panic(err)
	}
	for begin := time.Now(); time.Since(begin) < 300*time.Millisecond; { // what is to be recorded
	}
	p, err := s.Stop()
	fmt.Println(len(p.Sample) > 0, s.Summary().EngineCPU != "", err)
}
