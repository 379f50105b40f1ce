package exectrace

import (
	"bytes"
	"context"
	"runtime/trace"
	"strings"
	"testing"
	"time"
)

// TestLong reads traces that say that their clock ticks some thousands of times as slowly: they are of hours, with steps of minutes
// between two events. What is counted by time needs memory by time, so the window ends before the step that makes it too long.
func TestLong(t *testing.T) {
	const ticks = "\xa8\xd6\xb9\x07" // 15,625,000 a second, as a varint: the runtime's on Linux
	tried := 0
	for _, r := range recordings(t) {
		whole := read(t, r.trace, Options{})
		slower := int64(20*time.Hour) / (whole.To - whole.From)
		if whole.Dated || float64(whole.To)*float64(slower) > 4e18 {
			continue
		}
		tried++
		n := 15_625_000 / slower
		few := []byte{byte(n) | 0x80, byte(n>>7) | 0x80, byte(n>>14) | 0x80, byte(n >> 21)}
		x, err := Read(bytes.NewReader(bytes.Replace(r.trace, []byte(ticks), few, -1)), Options{})
		if err != nil {
			t.Errorf("%s: %v", r.name, err)
			continue
		}
		if d := time.Duration(x.To - x.From); d > longest || !strings.Contains(x.Unread, "longer than 2h") {
			t.Errorf("%s: a window of %s, unread %q", r.name, d, x.Unread)
		}
	}
	if tried == 0 {
		t.Error("no trace could be made slower")
	}
}

// TestManyRegions has more regions and tasks than states of goroutines may be kept: they take memory, too.
func TestManyRegions(t *testing.T) {
	var out bytes.Buffer
	check(t, trace.Start(&out))
	for range 2000 {
		ctx, task := trace.NewTask(context.Background(), "task")
		trace.StartRegion(ctx, "region").End()
		task.End()
	}
	trace.Stop()
	x := read(t, out.Bytes(), Options{Pieces: 2000})
	if n := len(x.Tasks); n > 2001 || !strings.Contains(x.Unread, "tasks and regions") {
		t.Errorf("%d tasks and regions, unread %q", n, x.Unread)
	}
	if x := read(t, out.Bytes(), Options{}); len(x.Tasks) != 4000 || x.Unread != "" {
		t.Errorf("%d tasks and regions, unread %q", len(x.Tasks), x.Unread)
	}
}
