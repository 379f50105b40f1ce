package proc

import (
	"context"
	"testing"
	"time"
)

// noHand is a hand that the test moves.
type noHand struct{ at int64 }

func (h *noHand) set(at int64) { h.at = at }
func (h *noHand) wait() bool   { return false }
func (h *noHand) close()       {}

// Who waits for the same moment is woken by one timer, who can wait is woken with others, and by itself only when nobody else is.
func TestAlarmsTogether(t *testing.T) {
	h := &noHand{}
	x := &alarmSet{hand: h, next: never}
	add := func(at, latest int64) *Alarm {
		a := new(Alarm)
		x.all = append(x.all, a)
		x.set(a, at, latest)
		return a
	}
	var scans []*Alarm
	for range 20 {
		scans = append(scans, add(1000, 1000))
	}
	add(990, 1050)
	last := add(1001, 1060)
	if h.at != 1000 {
		t.Fatalf("the timer is set to %d, want 1000", h.at)
	}
	if due := x.take(h, 1000, nil); len(due) != 21 {
		t.Errorf("%d are woken at 1000, want 20 and one that could have waited", len(due))
	}
	if h.at != 1060 {
		t.Errorf("then the timer is set to %d, want 1060", h.at)
	}
	for _, a := range scans {
		x.set(a, 1052, 1052)
	}
	if h.at != 1052 {
		t.Errorf("the timer is set to %d, want 1052", h.at)
	}
	x.set(scans[0], 1070, 1070)
	if due := x.take(h, 1052, nil); len(due) != 20 || due[19] != last {
		t.Errorf("%d are woken at 1052, want 19 that were set to it and the one that waits", len(due))
	}
	if due := x.take(h, 1069, nil); len(due) != 0 || h.at != 1070 {
		t.Errorf("%d are woken at 1069, and the timer is set to %d", len(due), h.at)
	}
}

// An alarm rings when it is time, and once.
func TestAlarm(t *testing.T) {
	rang := make(chan int64, 10)
	a := NewAlarm(func() { rang <- Monotonic() })
	defer a.Close()
	for range 20 {
		at := Monotonic() + int64(5*time.Millisecond)
		a.Set(at-int64(4*time.Millisecond), at-int64(2*time.Millisecond))
		a.Set(at, at) // in its place
		set := Monotonic()
		got := <-rang
		if got < at && set > at-int64(3*time.Millisecond) { // it may have rung before that
			got = <-rang
		}
		if got < at {
			t.Fatalf("it rang %v too early", time.Duration(at-got))
		}
	}
	a.Set(1, 1) // long ago
	<-rang
	time.Sleep(10 * time.Millisecond)
	if len(rang) > 0 {
		t.Error("it rang once more")
	}
}

// Ticks are at whole periods, or a quarter later at most on a machine with a CPU to spare, and nothing is left of them.
func TestTicks(t *testing.T) {
	const period = 20 * time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	last := Monotonic() / int64(period)
	n := 0
	for range Ticks(ctx, period) {
		now := Monotonic() / int64(period)
		if now <= last {
			t.Errorf("two ticks in period %d", now)
		}
		if last, n = now, n+1; n == 5 {
			cancel()
			break
		}
	}
	for range Ticks(ctx, time.Hour) {
		t.Error("a tick after the end")
	}
	alarms.mu.Lock()
	defer alarms.mu.Unlock()
	if len(alarms.all) > 0 || alarms.hand != nil {
		t.Errorf("%d alarms are left, and %v", len(alarms.all), alarms.hand)
	}
}

// One who does not return when he is called is left behind: the others are called all the same, each once.
func TestAlarmLeftBehind(t *testing.T) {
	stuck, over := make(chan struct{}), make(chan struct{})
	bad := NewAlarm(func() { <-stuck; close(over) })
	defer bad.Close()
	rang := make(chan struct{}, 10)
	good := NewAlarm(func() { rang <- struct{}{} })
	defer good.Close()
	at := Monotonic() + int64(time.Millisecond)
	bad.Set(at, at)
	good.Set(at, at)
	for range 2 {
		select {
		case <-rang:
		case <-time.After(20 * ringPatience):
			t.Fatal("the other one was not called")
		}
		good.Set(1, 1)
	}
	close(stuck)
	<-over
	<-rang
	time.Sleep(10 * time.Millisecond)
	if len(rang) > 0 {
		t.Error("it was called once more")
	}
}
