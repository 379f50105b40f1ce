package main

import (
	"os"
	"strings"
	"testing"
)

// TestNotices: who gets the binary gets the licences of what is in it now.
func TestNotices(t *testing.T) {
	want, err := notices("../../..")
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../../THIRD_PARTY_NOTICES")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Error("THIRD_PARTY_NOTICES is not that of go.mod: run go generate ./internal/house and commit it")
	}
	for _, name := range []string{"github.com/cilium/ebpf\n", "The Go standard library", "github.com/inconshreveable/mousetrap\n",
		"elastic/go-seccomp-bpf\n"} {
		if !strings.Contains(string(got), name) {
			t.Errorf("nothing of %s", strings.TrimSpace(name))
		}
	}
}
