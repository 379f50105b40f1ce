package main

import (
	"strings"

	"github.com/mayfly-profiler/mayfly/profiler"
)

// outside are the engines that see another process.
var outside = []profiler.Engine{profiler.EBPF, profiler.Perf, profiler.Table}

func engineNames() string {
	var names []string
	for _, e := range outside {
		names = append(names, string(e))
	}
	return strings.Join(names, ", ")
}

func (f *recordFlags) checkEngine() error {
	for _, e := range append(outside, "") {
		if f.engine == string(e) {
			return nil
		}
	}
	if _, err := profiler.ParseEngine(f.engine); err == nil {
		return usagef("record: engine %s is for a program's own process (import profiler); of another: %s", f.engine, engineNames())
	}
	return usagef("record: engine %q: not one of %s", f.engine, engineNames())
}
