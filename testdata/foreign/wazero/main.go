// Command wazero runs WebAssembly that is compiled to machine code in memory, on stacks that are
// not the goroutines' own, and that calls back into Go. Nothing of it is in the executable.
package main

import (
	"context"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/mayfly-profiler/mayfly/testdata/foreign/run"
	"github.com/mayfly-profiler/mayfly/testdata/foreign/tally"
)

// module is, in the text format:
//
//	(module
//	  (import "env" "host" (func $host (param i32) (result i32)))
//	  (func (export "spin") (param i32) (result i32) (local i32)
//	    (loop
//	      (local.set 1 (i32.add (i32.mul (local.get 1) (i32.const 31)) (local.get 0)))
//	      (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
//	    (local.get 1))
//	  (func (export "call") (param i32) (result i32)
//	    (i32.add (call $host (local.get 0)) (i32.const 1))))
var module = []byte{
	0, 'a', 's', 'm', 1, 0, 0, 0,
	1, 6, 1, 0x60, 1, 0x7f, 1, 0x7f, // types: (i32) -> i32
	2, 12, 1, 3, 'e', 'n', 'v', 4, 'h', 'o', 's', 't', 0, 0, // imports
	3, 3, 2, 0, 0, // functions
	7, 15, 2, 4, 's', 'p', 'i', 'n', 0, 1, 4, 'c', 'a', 'l', 'l', 0, 2, // exports
	10, 40, 2, // code
	28, 1, 1, 0x7f, // spin: one local
	0x03, 0x40, 0x20, 1, 0x41, 31, 0x6c, 0x20, 0, 0x6a, 0x21, 1,
	0x20, 0, 0x41, 1, 0x6b, 0x22, 0, 0x0d, 0, 0x0b, 0x20, 1, 0x0b,
	9, 0, 0x20, 0, 0x10, 0, 0x41, 1, 0x6a, 0x0b, // call
}

func main() {
	t := tally.New()
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler())
	_, err := r.NewHostModuleBuilder("env").NewFunctionBuilder().WithFunc(host).Export("host").Instantiate(ctx)
	run.Check(err)
	compiled, err := r.CompileModule(ctx, module)
	run.Check(err)
	for _, f := range []struct {
		export  string
		arg     uint64
		handler string
		do      func(context.Context, api.Function, uint64)
	}{{"spin", 1 << 20, "main.spin", spin}, {"call", 7, "main.call", call}} {
		set := t.Set(f.handler, "wasm", f.export)
		for range 2 { // an instance is for one goroutine at a time
			m, err := r.InstantiateModule(ctx, compiled, wazero.NewModuleConfig().WithName(""))
			run.Check(err)
			export := m.ExportedFunction(f.export)
			set.Loop(1, time.Millisecond, func(ctx context.Context) { f.do(ctx, export, f.arg) })
		}
	}
	t.Run()
}

// host is what the WebAssembly calls.
func host(_ context.Context, n uint32) uint32 { return n + uint32(len(tally.Work(time.Millisecond))) }

func spin(ctx context.Context, f api.Function, n uint64) { must(f.Call(ctx, n)) }

func call(ctx context.Context, f api.Function, n uint64) { must(f.Call(ctx, n)) }

func must(_ []uint64, err error) { run.Check(err) }
