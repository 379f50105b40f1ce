package source

import (
	"errors"
	"testing"
)

func TestRate(t *testing.T) {
	for hz, want := range map[int]int{0: DefaultRate, 1: 1, MaxRate: MaxRate, -1: 0, MaxRate + 1: 0} {
		if got, err := Rate(hz); err == nil && got != want || (err == nil) != (want != 0) {
			t.Errorf("Rate(%d) = %d, %v", hz, got, err)
		}
		if err := CheckRate(hz); (err == nil) != (want == hz) {
			t.Errorf("CheckRate(%d) = %v", hz, err)
		}
	}
	if err := Executed(7); !errors.Is(err, ErrExec) || err.Error() != "process 7: the target executed another program" {
		t.Error(err)
	}
}

// Who flushes returns when it was done, and not before; or when nobody is there who could.
func TestFlushes(t *testing.T) {
	f, handed := NewFlushes(), false
	woken := make(chan struct{})
	go func() {
		<-woken
		if !f.Waiting() {
			t.Error("woken, and nobody waits")
		}
		done := f.Take()
		handed = true
		close(done)
	}()
	if f.Flush(func() { close(woken) }); !handed || f.Waiting() || f.Take() != nil {
		t.Error("returned before it was done")
	}
	go func() {
		<-f.Asked()
		f.End()
		f.End()
	}()
	f.Flush(nil)
	f.Flush(nil)
}
