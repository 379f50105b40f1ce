package goroutine_test

import (
	"math"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/source/goroutine"
	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// Each collection stops the world twice. The program counts its collections itself.
func TestGC(t *testing.T) {
	for _, b := range []target.Build{{}, {Strip: true}} {
		t.Run(b.String(), func(t *testing.T) {
			x := open(t, target.Start(t, target.Compile(t, "churn", b), "-rate", "40000", "-gogc", "5"), goroutine.Options{})
			x.record(t, 2*time.Second, func(*sample.Sample) {})
			st := x.Stats()
			var truth struct {
				Wall int64 `json:"wall_ns"`
				GCs  int64
			}
			x.Truth(&truth)
			want := 2 * float64(truth.GCs) * float64(st.End-st.Begin) / float64(truth.Wall)
			t.Logf("%+v, want %.0f stops", st.GC, want)
			if st.GC.Stopped.Count < 0 {
				t.Skip("this version of the runtime does not count")
			}
			// The program counts from a little before the recording to a little after it.
			if off := math.Abs(float64(st.GC.Stopped.Count) - want); off > 0.2*want+6 || st.GC.Stopped.Time <= 0 {
				t.Errorf("%d stops of the world, want %.0f", st.GC.Stopped.Count, want)
			}
			if length := time.Duration(st.End - st.Begin); st.GC.Mark <= 0 || st.GC.Mark > length {
				t.Errorf("marking for %v of %v", st.GC.Mark, length)
			}
		})
	}
}
