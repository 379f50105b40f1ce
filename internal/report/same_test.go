package report

import (
	"bytes"
	"fmt"
	"testing"
	"time"
)

// TestSameEachTime has requests that wait for a CPU while twelve functions have it and threads want one: a report is the same each
// time, to the last bit.
func TestSameEachTime(t *testing.T) {
	s := newScenario(3 * time.Second)
	for i := range int64(20) {
		s.goroutine(i+1, 100+130*float64(i), fmt.Sprint("request=s", i)).
			in("runnable", 60+float64(i)/7, "main.price"+serve).in("running", 3, "main.price"+serve)
	}
	for i := range 12 {
		g := s.goroutine(int64(5000+i), 0)
		for g.at < 2900 {
			g.in("runnable", 1+float64(i)/13, "main.work").in("preempted", 0.3+float64(i)/17, "main.work").
				in("running", 0.7+float64(i)/11, fmt.Sprint("main.work", i))
		}
	}
	s.quick(1000, 100)
	write := func() string {
		var b bytes.Buffer
		if err := Formats().Write(&b, "json", []*Report{s.report(t, "p99<50ms", "label:request")}); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	first := write()
	for range 10 {
		if again := write(); again != first {
			t.Fatalf("%s\nand before\n%s", again, first)
		}
	}
}
