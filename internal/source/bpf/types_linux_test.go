//go:build linux && (amd64 || arm64)

package bpf

import (
	"testing"

	"github.com/mayfly-profiler/mayfly/internal/target"
)

// Programs that are loaded at about the same time have the kernel's types in common, and nobody keeps them when that is over.
func TestTypesAreShared(t *testing.T) {
	first := withTypes().Cache
	if withTypes().Cache != first {
		t.Error("they are read again")
	}
	dropTypes()
	if withTypes().Cache == first {
		t.Error("they are kept")
	}
}

func TestLacksTracepoint(t *testing.T) {
	target.Need(t, Probe())
	kernel := withTypes().Cache
	if lacksTracepoint(kernel, "sched_switch") || !lacksTracepoint(kernel, "nothing_has_this_name") {
		t.Error("every kernel has sched_switch, and none nothing_has_this_name")
	}
}
