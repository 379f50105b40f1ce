//go:build amd64 || arm64

package perf

import (
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/internal/source"
	"github.com/mayfly-profiler/mayfly/internal/target"
)

// Where the kernel can have threads only inherit events, nothing of a target's children is recorded; where it cannot, what taker.other is
// for is.
func TestInherited(t *testing.T) {
	x := target.Start(t, target.Compile(t, "execs", target.Build{}), "-spawn")
	p, err := proc.Open(x.PID)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	e, err := openEvents(p, Options{Rate: 999})
	target.Need(t, err)
	defer e.Close()
	if err := e.start(); err != nil {
		t.Fatal(err)
	}
	var own, others int
	for start := time.Now(); time.Since(start) < 10*time.Second && own+others < 300; time.Sleep(time.Millisecond) {
		for _, r := range e.rings {
			if err := r.each(func(h header, body []byte) error {
				pid, err := recorded(h, body)
				switch {
				case pid == uint32(x.PID):
					own++
				case int32(pid) > 0:
					others++
				}
				return err
			}); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Logf("%d records of the target, %d of others", own, others)
	if own == 0 || (others == 0) != (source.ThreadsOnly() != 0) {
		t.Errorf("%d records of the target, %d of others, where threads inherit events by bits %#x", own, others, source.ThreadsOnly())
	}
}

// recorded is the process that a record is of.
func recorded(h header, body []byte) (pid uint32, err error) {
	switch h.kind {
	case typeSample:
		var e event
		err = parseSample(body, &e)
		return e.pid, err
	case typeComm:
		return parseComm(body)
	}
	return 0, nil
}
