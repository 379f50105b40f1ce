// A program writes a profile as folded stacks.
package main

import (
	"os"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/export"
)

func main() {
	p, err := profile.Parse(os.Stdin)
	if err != nil {
		panic(err)
	}
	format, err := export.ByName("folded")
	if err != nil {
		panic(err)
	}
	if err := format.Write(os.Stdout, p, export.Options{}); err != nil {
		panic(err)
	}
}
