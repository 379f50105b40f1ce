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
	states := make(map[sample.State]int64)
	for _, s := range p.Sample {
		if state := s.Label[sample.KeyState]; len(state) > 0 {
			states[sample.State(state[0])] += s.Value[len(s.Value)-1] // sample.ColumnWall
		}
	}
	fmt.Println(p.SampleType[len(p.SampleType)-1].Type == sample.ColumnWall, states[sample.Running] > 0)
}
