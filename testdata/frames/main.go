// Frames tells addresses in itself whose functions are known, then waits for its input to end:
// "ready go=ADDRESS line=LINE [c=ADDRESS cxx=ADDRESS libc=ADDRESS]", addresses in hex. go= is a
// return address in main.inner, which is inlined into main.outer; line= is the line of the call.
package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
)

var more string // what the C part tells

func main() {
	pc, line := outer()
	fmt.Printf("ready go=%x line=%d%s\n", pc, line, more)
	io.Copy(io.Discard, os.Stdin)
}

//go:noinline
func outer() (uintptr, int) {
	pc, line := inner()
	return pc, line
}

func inner() (uintptr, int) { return here() }

//go:noinline
func here() (uintptr, int) {
	var pcs [1]uintptr
	runtime.Callers(2, pcs[:])
	_, _, line, _ := runtime.Caller(1)
	return pcs[0], line
}
