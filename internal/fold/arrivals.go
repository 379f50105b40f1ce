package fold

import (
	"maps"
	"slices"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// atOnce is how many of a goroutine's arrivals are one sample: texts in a profile should not be endless.
const atOnce = 100

// AddArrivals adds what goroutines read, by goroutine and by the clock of the samples, to the builder's profile, which is otherwise
// complete. It becomes samples with no weight in any column and no stack: go.id is the goroutine, go.unread what it read. What of is made
// of is changed.
func (b *Builder) AddArrivals(p *profile.Profile, of map[uint64][]sample.Arrival) {
	for _, goid := range slices.Sorted(maps.Keys(of)) {
		for some := range slices.Chunk(of[goid], atOnce) {
			for i := range some {
				some[i].Came, some[i].Read = some[i].Came+b.epoch, some[i].Read+b.epoch
			}
			p.Sample = append(p.Sample, &profile.Sample{
				Value:    make([]int64, len(p.SampleType)),
				Label:    map[string][]string{sample.KeyUnread: {sample.FormatArrivals(some)}},
				NumLabel: map[string][]int64{sample.KeyID: {int64(goid)}},
			})
		}
	}
}
