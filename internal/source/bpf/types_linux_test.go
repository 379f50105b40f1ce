//go:build linux && (amd64 || arm64)

package bpf

import "testing"

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
