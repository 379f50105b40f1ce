package top

import (
	"testing"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/samples/hostile"
)

// FuzzOf adds up any profile by all that it can be added up by: the rows are the total.
func FuzzOf(f *testing.F) {
	hostile.Fuzz(f, func(t *testing.T, p *profile.Profile) {
		kinds := []By{{Kind: Auto}, {Kind: State}, {Kind: Func}}
		keys := Keys(p)
		for _, key := range keys[:min(len(keys), 4)] {
			kinds = append(kinds, By{Label, key})
		}
		for _, by := range kinds {
			table := Of(p, by)
			var sum int64
			for _, r := range table.Rows {
				sum += r.Wall()
			}
			if sum != table.Total.Wall() {
				t.Fatalf("by %s: rows of %d ns, total %d", by, sum, table.Total.Wall())
			}
		}
	})
}
