//go:build amd64 || arm64

package bpf

import (
	"testing"

	"github.com/mayfly-profiler/mayfly/internal/target"
)

// The programs of a Host are told which processes may be targets, by id modulo the number of bits, and that they no longer are.
func TestHostMarks(t *testing.T) {
	s, h := &OnCPU{}, NewHost(97)
	target.Need(t, s.load())
	defer s.Close()
	target.Need(t, h.load())
	defer h.close()
	const pid = 3*maybeBits + 70
	leave, err := h.sample(pid, s.objects.Sample)
	if err != nil {
		t.Fatal(err)
	}
	other, err := h.sample(1, s.objects.Sample)
	if err != nil {
		t.Fatal(err)
	}
	marks := func() (marks [maybeBits / 64]uint64) {
		t.Helper()
		if err := h.objects.Maybe.Get(&marks); err != nil {
			t.Fatal(err)
		}
		return marks
	}
	if m := marks(); m[1] != 1<<6 || m[0] != 1<<1 {
		t.Errorf("marks %x", m[:3])
	}
	leave()
	if m := marks(); m[1] != 0 || m[0] != 1<<1 {
		t.Errorf("marks %x when one has left", m[:3])
	}
	other()
}
