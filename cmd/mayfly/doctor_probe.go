package main

import "github.com/mayfly-profiler/mayfly/internal/source/bpf"

// loads asks the kernel itself: it loads the eBPF program and takes it away again. The checks
// before it say why it may fail.
func (h host) loads() check {
	if err := bpf.Probe(); err != nil {
		return denied("eBPF program", missing, "no on-CPU samples", err)
	}
	return check{Name: "eBPF program", Status: ok, Found: "loads, and the verifier accepts it"}
}
