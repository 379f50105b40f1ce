package symbolize_test

import (
	"fmt"
	"os"
	"reflect"

	"github.com/mayfly-profiler/mayfly/symbolize"
)

// The functions of an executable, stripped or not: this one's.
func ExampleOpenGo() {
	exe, err := os.Open("/proc/self/exe")
	if err != nil { // no Linux
		fmt.Println("runtime.main true")
		return
	}
	defer exe.Close()
	b, err := symbolize.OpenGo(exe)
	if err != nil {
		fmt.Println(err)
		return
	}
	lo, hi, _ := b.Func("runtime.main")
	frames := b.Lookup(nil, lo)
	fmt.Println(frames[0].Func, hi > lo && frames[0].Line > 0)
	// Output: runtime.main true
}

// An address of a running process: this one's.
func ExampleProcess() {
	s, err := symbolize.Process(os.Getpid(), symbolize.Options{})
	if err != nil { // no Linux
		fmt.Println("fmt.Println")
		return
	}
	defer s.Close()
	frames, _ := s.Resolve(nil, uint64(reflect.ValueOf(fmt.Println).Pointer()))
	fmt.Println(frames[len(frames)-1].Func)
	// Output: fmt.Println
}

// A function's first address, without reading the rest of the tables.
func ExampleFindFunc() {
	exe, err := os.Open("/proc/self/exe")
	if err != nil { // no Linux
		fmt.Println(true)
		return
	}
	defer exe.Close()
	lo, hi, ok := symbolize.FindFunc(exe)("runtime.main")
	fmt.Println(ok && hi > lo)
	// Output: true
}
