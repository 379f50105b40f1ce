package inprocess

import (
	"strings"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/cost"
	"github.com/mayfly-profiler/mayfly/profiler"
)

// FuzzQuery asks for anything: what is granted is no more than the program allows.
func FuzzQuery(f *testing.F) {
	for _, q := range []string{"", "seconds=5&hz=99&mode=cpu&engine=runtime&format=folded", "seconds=999999999999999999999", "hz=-1",
		"engine=fgprof", "mode=wall", "%zz", "seconds=1;hz=2", strings.Repeat("seconds=1&", 10_000), "format=" + strings.Repeat("%00", 10_000)} {
		f.Add(q, uint16(0), uint8(0), false)
		f.Add(q, uint16(99), uint8(20), true)
	}
	f.Fuzz(func(t *testing.T, query string, hz uint16, seconds uint8, cpu bool) {
		h := handler{options: Options{Rate: int(hz)}, seconds: int(seconds)}
		if cpu {
			h.options.Mode = profiler.CPU
		}
		cost.Small.Hold(t, func() {
			q, err := h.parse(query)
			if err != nil {
				if strings.ContainsAny(err.Error(), "\r\n") {
					t.Fatalf("%q", err)
				}
				return
			}
			most := time.Duration(max(int(seconds), maxSeconds)) * time.Second
			if o := q.options; q.length < 0 || q.length > most || hz > 0 && o.Rate > int(hz) || o.Rate > max(999, int(hz)) ||
				o.Engine == profiler.FGProf || cpu && o.Mode != profiler.CPU || q.format.Write == nil {
				t.Fatalf("%q: %+v for %s", query, o, q.length)
			}
		})
	})
}
