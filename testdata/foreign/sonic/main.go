// Command sonic encodes and decodes JSON by code that is generated while it runs, and by assembly
// that was C once.
package main

import (
	"context"
	"time"

	"github.com/bytedance/sonic"

	"github.com/mayfly-profiler/mayfly/testdata/foreign/run"
	"github.com/mayfly-profiler/mayfly/testdata/foreign/tally"
)

func main() {
	t := tally.New()
	t.Set("main.decode", "json", "decode").Loop(2, time.Millisecond, func(context.Context) { decode() })
	t.Set("main.encode", "json", "encode").Loop(2, time.Millisecond, func(context.Context) { encode() })
	t.Run()
}

func decode() {
	for range 500 {
		var o tally.Order
		run.Check(sonic.Unmarshal(tally.Body, &o))
	}
}

func encode() {
	var o tally.Order
	run.Check(sonic.Unmarshal(tally.Body, &o))
	for range 500 {
		_, err := sonic.Marshal(&o)
		run.Check(err)
	}
}
