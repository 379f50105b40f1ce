package profiler

import (
	"os"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/internal/target"
)

// What the executable of two processes says of its runtime is found once, and forgotten with the last recording.
func TestExecutableFoundOnce(t *testing.T) {
	path := target.Compile(t, "spin", target.Build{})
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	id, ok := proc.Identify(f)
	for end := time.Now().Add(time.Minute); !ok && time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		id, ok = proc.Identify(f) // it was built just now
	}
	var recs []*recording
	for range 2 {
		x := target.Start(t, path, "-procs", "1")
		r, err := open(t.Context(), x.PID, Options{Engine: Table})
		if err != nil {
			t.Fatal(err)
		}
		recs = append(recs, r)
	}
	a, b := recs[0], recs[1]
	if a.shared != b.shared || a.shared != executables.all[id] || a.vars == nil || a.vars != b.vars || a.shared.layout == nil {
		t.Errorf("found twice: %+v and %+v", a.shared, b.shared)
	}
	if a.summary.Target.GoVersion == "" || a.summary.Target.GoVersion != b.summary.Target.GoVersion || b.summary.Target.Main == "" {
		t.Errorf("%+v and %+v", a.summary.Target, b.summary.Target)
	}
	for i, r := range recs {
		r.close()
		if left := executables.all[id] != nil; left != (i == 0) {
			t.Errorf("%d recordings are over, and it is known: %v", i+1, left)
		}
	}
}
