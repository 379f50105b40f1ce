// A program reads the states of a recording.
package main

import (
	"fmt"
	"os"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

func main() {
	p, err := profile.Parse(os.Stdin)
	if err != nil {
		panic(err)
	}
	wall := len(p.SampleType) - 1
	states := make(map[sample.State]int64)
	for _, s := range p.Sample {
		if state := s.Label[sample.KeyState]; len(state) > 0 {
			states[sample.State(state[0])] += s.Value[wall]
		}
	}
	fmt.Println(p.SampleType[wall].Type == sample.ColumnWall, states[sample.Running] > 0)
}
