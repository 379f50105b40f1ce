package cost

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

var sink []byte

// TestHold shows that each limit holds: what is over one ends a process of its own.
func TestHold(t *testing.T) {
	l := Limit{32 << 20, 300 * time.Millisecond}
	does := map[string]func(){
		"little": func() { sink = make([]byte, 1<<20) },
		"hangs":  func() { time.Sleep(time.Minute) },
		"burns": func() {
			for {
				sink = append(sink[:0], 1)
			}
		},
		"grows": func() {
			for {
				sink = append(sink, make([]byte, 1<<20)...)
			}
		},
		"stopped": func() { exec.Command("sh", "-c", "kill -STOP $PPID; sleep 1; kill -CONT $PPID").Run() },
		"at once": func() { sink = make([]byte, 33<<20) },
	}
	if what := os.Getenv("MAYFLY_TEST_COST"); what != "" {
		l.Hold(t, does[what])
		return
	}
	for what, want := range map[string]string{"little": "PASS", "stopped": "PASS",
		"hangs": "not done after 300ms", "burns": "not done after 300ms",
		"grows": "bytes allocated, the limit is", "at once": "allocated, the limit is"} {
		c := exec.Command(os.Args[0], "-test.run=^TestHold$")
		c.Env = append(os.Environ(), "MAYFLY_TEST_COST="+what, "GOMEMLIMIT=256MiB")
		if out, err := c.CombinedOutput(); (err == nil) != (want == "PASS") || !strings.Contains(string(out), want) {
			t.Errorf("%s: %v, %s, want %q", what, err, out, want)
		}
	}
}
