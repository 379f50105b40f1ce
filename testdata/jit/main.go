// Command jit spends its CPU time in machine code that it writes into memory of its own, as the compilers of
// WebAssembly and JSON decoders do.
//
// Each kind of code has one goroutine with the label kind, whose stack is
//
//	main.main.func1 < runtime/pprof.Do < main.(*kind).run < main.(*kind).enter < main.enter < the code
//
// Truth: per kind the id of its goroutine, and its rounds. With -names it writes /tmp/perf-PID.map.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"sync"
	"syscall"
	"unsafe"

	"github.com/mayfly-profiler/mayfly/testdata/run"
)

// kind is a kind of code.
type kind struct {
	Name   string `json:"kind"`
	Goid   uint64 `json:"goid"`
	Rounds int    `json:"rounds"`

	code []byte
	at   uintptr
	off  int // where its first instruction is
}

var kinds = []*kind{
	// push rbp; mov rbp, rsp; loop: dec rcx; jnz loop; pop rbp; ret
	{Name: "framed", code: []byte{0x55, 0x48, 0x89, 0xe5, 0x48, 0xff, 0xc9, 0x75, 0xfb, 0x5d, 0xc3}},
	// loop: dec rcx; jnz loop; ret
	{Name: "frameless", code: []byte{0x48, 0xff, 0xc9, 0x75, 0xfb, 0xc3}},
	// framed, and then: push rbp; mov rbp, rsp; call framed; pop rbp; ret
	{Name: "nested", off: 11, code: []byte{0x55, 0x48, 0x89, 0xe5, 0x48, 0xff, 0xc9, 0x75, 0xfb, 0x5d, 0xc3,
		0x55, 0x48, 0x89, 0xe5, 0xe8, 0xec, 0xff, 0xff, 0xff, 0x5d, 0xc3}},
	// push rbp; lea rbp, [rcx+rcx]; dec rcx; jnz lea; pop rbp; ret
	{Name: "data", code: []byte{0x55, 0x48, 0x8d, 0x2c, 0x09, 0x48, 0xff, 0xc9, 0x75, 0xf7, 0x5d, 0xc3}},
	// push rbp; mov rdx, rsp; mov rsp, rbx; xor ebp, ebp; loop: dec rcx; jnz loop; mov rsp, rdx; pop rbp; ret
	{Name: "stack", code: []byte{0x55, 0x48, 0x89, 0xe2, 0x48, 0x89, 0xdc, 0x31, 0xed, 0x48, 0xff, 0xc9, 0x75, 0xfb,
		0x48, 0x89, 0xd4, 0x5d, 0xc3}},
}

var stack = make([]byte, 64<<10) // of the last kind

// enter calls code with the end of a stack in RBX and rounds in RCX.
func enter(code, stack uintptr, rounds int)

func main() {
	names := flag.Bool("names", false, "write /tmp/perf-PID.map")
	flag.Parse()
	runtime.GOMAXPROCS(2)
	for _, k := range kinds {
		run.Check(k.load())
	}
	if *names {
		file := fmt.Sprintf("/tmp/perf-%d.map", os.Getpid())
		run.Check(os.WriteFile(file, perfMap(), 0o600))
		defer os.Remove(file)
	}
	var wg sync.WaitGroup
	for _, k := range kinds {
		k := k
		wg.Add(1)
		go func() {
			defer wg.Done()
			pprof.Do(context.Background(), pprof.Labels("kind", k.Name), func(context.Context) { k.run() })
		}()
	}
	run.Ready()
	run.Wait()
	wg.Wait()
	truth := run.Measure()
	truth["kinds"] = kinds
	run.Truth(truth)
}

//go:noinline
func (k *kind) run() {
	k.Goid = run.Goid()
	for !run.Stopped() {
		k.enter()
		k.Rounds++
	}
}

//go:noinline
func (k *kind) enter() {
	enter(k.at+uintptr(k.off), uintptr(unsafe.Pointer(&stack[len(stack)-64])), 50000)
}

// load writes the code into memory that is executable, and belongs to no file.
func (k *kind) load() error {
	b, err := syscall.Mmap(-1, 0, 4096, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		return err
	}
	copy(b, k.code)
	k.at = uintptr(unsafe.Pointer(&b[0]))
	return syscall.Mprotect(b, syscall.PROT_READ|syscall.PROT_EXEC)
}

func perfMap() (b []byte) {
	for _, k := range kinds {
		b = append(b, fmt.Sprintf("%x %x code of %s\n", k.at, len(k.code), k.Name)...)
	}
	return b
}
