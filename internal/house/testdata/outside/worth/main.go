// A program reads what mayfly record --json says.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/mayfly-profiler/mayfly/profiler/summary"
)

func main() {
	var s summary.Summary
	if err := json.NewDecoder(os.Stdin).Decode(&s); err != nil {
		panic(err)
	}
	fmt.Println(s.EngineCPU, s.CPU.Lost, s.Coverage.Seen)
}
