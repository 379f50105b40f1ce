// Oracle is the Go runtime's own answer to "which functions are at this address": it resolves
// addresses of its own code with runtime.CallersFrames. Input: the link-time address of main.main,
// then one link-time address of an instruction a line, in hex. Output: a line each, the frames
// separated by tabs, innermost first, each function \x01 file \x01 line.
//
// From Go 1.23 on it has to be linked with -checklinkname=0.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"runtime"
	_ "runtime/pprof"
	"strconv"
	"text/template"
	_ "unsafe"
)

// expand makes CallersFrames tell the inlined functions of a single address.
//
//go:linkname expand runtime/pprof.runtime_expandFinalInlineFrame
func expand(stk []uintptr) []uintptr

func main() {
	ballast()
	in := bufio.NewScanner(os.Stdin)
	out := bufio.NewWriterSize(os.Stdout, 1<<20)
	defer out.Flush()
	in.Scan()
	slide := uint64(runtime.FuncForPC(reflect.ValueOf(main).Pointer()).Entry()) - parse(in.Text())
	for in.Scan() {
		answer(out, uintptr(parse(in.Text())+slide))
	}
}

func parse(s string) uint64 {
	v, err := strconv.ParseUint(s, 16, 64)
	if err != nil {
		panic(err)
	}
	return v
}

func answer(out *bufio.Writer, pc uintptr) {
	frames := runtime.CallersFrames(expand([]uintptr{pc + 1})) // it takes return addresses
	for sep := ""; ; sep = "\t" {
		f, more := frames.Next()
		if f.PC != 0 {
			fmt.Fprintf(out, "%s%s\x01%s\x01%d", sep, f.Function, f.File, f.Line)
		}
		if !more {
			break
		}
	}
	out.WriteByte('\n')
}

// The rest is code to ask about: generic, inlined, behind interfaces, and from the library.

type ordered interface {
	~int | ~int64 | ~float64 | ~string
}

type list[T ordered] struct{ v []T }

func (l list[T]) max() T {
	var m T
	for _, x := range l.v {
		m = pick(m, x)
	}
	return m
}

func pick[T ordered](a, b T) T {
	if a > b {
		return a
	}
	return b
}

type shape interface{ area() float64 }

type square struct{ side float64 }

func (s square) area() float64 { return s.side * s.side }

type named struct {
	shape
	name string
}

func ballast() {
	keep(list[int]{[]int{1, 2}}.max(), list[string]{[]string{"a"}}.max(), (&list[float64]{}).max())
	keep(shape(&named{&square{2}, "x"}).area())
	if len(os.Args) > 1 {
		t := template.Must(template.New("x").Parse(os.Args[1]))
		keep(t.Execute(os.Stdout, regexp.MustCompile(os.Args[1])))
		keep(json.NewEncoder(os.Stdout).Encode(map[string]any{"a": 1}))
	}
}

//go:noinline
func keep(x ...any) { fmt.Fprint(os.Stderr, len(x), "\n") }
