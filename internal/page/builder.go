package page

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/samples"
	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

// Options are how a page begins; whoever looks at it can change all but the title.
type Options struct {
	Title  string
	Column string   // the sample type that is shown first, "" for the profile's default
	Labels []string // keys whose values are the first frames, nil for the page's own choice

	Requests timeline.Selector // what a request is, of a timeline
	Lanes    int               // how many requests, and goroutines, 0: 100 each
}

// Builder adds profiles up to a page.
type Builder struct {
	options     Options
	index       *index
	rows        rows
	series      series
	length      int    // the sample type that says how long samples are, -1: none
	life        *life  // nil without a timeline
	defaultType string // the default sample type
	notes       []string
	start       int64 // Unix ns
	duration    int64
	limit       int64 // of what it may take in memory, bytes
}

// New begins a page without samples.
func New(o Options) *Builder {
	x := newIndex()
	return &Builder{options: o, index: x, rows: rows{index: x, byKey: make(map[rowKey]int32)}, limit: maxSize}
}

// maxSize is how much memory all profiles of a page may take together, bytes.
const maxSize = 1 << 30

// Add adds a profile whose samples are given apart: those of a large file need not be in memory together. Its sample
// types have to be those of the profiles before. What all profiles of a page take together is bounded: samples.ErrTooLarge.
func (b *Builder) Add(head *profile.Profile, all iter.Seq[*profile.Sample]) error {
	if err := b.rows.fit(head); err != nil {
		return err
	}
	if b.start == 0 || head.TimeNanos > 0 && head.TimeNanos < b.start {
		b.start = head.TimeNanos
	}
	b.defaultType = cmp.Or(b.defaultType, head.DefaultSampleType)
	b.duration += head.DurationNanos
	for _, c := range head.Comments {
		if !slices.Contains(b.notes, c) {
			b.notes = append(b.notes, c)
		}
	}
	at, ns := lengthColumn(head)
	b.length = at
	names := make(map[*profile.Location][]int32)
	for s := range all {
		if len(s.Value) != len(b.rows.columns) {
			return fmt.Errorf("a sample has %d values of %d", len(s.Value), len(b.rows.columns))
		}
		from, to, timed := when(s, at, ns)
		if row, ok := b.rows.add(s, names, timed); ok && timed {
			b.series.spans = append(b.series.spans, span{row, from, to})
		}
		if b.size() > b.limit {
			return fmt.Errorf("%w: the page would take more than %d MiB of memory: view fewer files at once, or shorter recordings",
				samples.ErrTooLarge, b.limit>>20)
		}
	}
	return nil
}

func (b *Builder) size() int64 { return b.index.size() + b.rows.size() + b.series.size() }

// AddLanes adds what single goroutines did. A profile without a timeline has no lanes; one whose timeline is none of a
// recording says so among its notes.
func (b *Builder) AddLanes(head *profile.Profile, all iter.Seq[*profile.Sample]) {
	t, err := timeline.Read(head, all)
	switch {
	case err == nil:
		b.AddTimeline(t)
	case !errors.Is(err, timeline.ErrNoTimeline):
		b.notes = append(b.notes, "no requests and goroutines: "+err.Error())
	}
}

// AddTimeline is AddLanes for a timeline that was read already.
func (b *Builder) AddTimeline(t *timeline.Timeline) {
	b.life = newLife(t, b.options.Requests, cmp.Or(b.options.Lanes, defaultLanes))
}

// begin is when the page's time begins, Unix ns.
func (b *Builder) begin() int64 {
	if from, _, ok := b.series.window(); ok {
		return from
	}
	if b.life != nil {
		return b.life.From
	}
	return b.start
}

// Columns are the names of the sample types.
func (b *Builder) Columns() (names []string) {
	for _, c := range b.rows.columns {
		names = append(names, c.name)
	}
	return names
}
