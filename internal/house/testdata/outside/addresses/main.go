// A program names an address of a running process: its own.
package main

import (
	"fmt"
	"os"
	"reflect"

	"github.com/mayfly-profiler/mayfly/symbolize"
)

func main() {
	s, err := symbolize.Process(os.Getpid(), symbolize.Options{})
	if err != nil {
		panic(err)
	}
	defer s.Close()
	frames, _ := s.Resolve(nil, uint64(reflect.ValueOf(main).Pointer()))
	fmt.Println(frames[0].Func, frames[0].Kind)
}
