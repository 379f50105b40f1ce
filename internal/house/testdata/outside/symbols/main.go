// A program names the functions of an executable, stripped or not.
package main

import (
	"fmt"
	"os"

	"github.com/mayfly-profiler/mayfly/symbolize"
)

func main() {
	f, err := os.Open(os.Args[1])
	if err != nil {
		panic(err)
	}
	b, err := symbolize.OpenGo(f)
	if err != nil {
		panic(err)
	}
	lo, _, ok := b.Func("main.main")
	frames := b.Lookup(nil, lo)
	fmt.Println(ok, frames[0].Func, frames[0].Line > 0)
}
