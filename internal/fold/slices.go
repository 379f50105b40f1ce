package fold

import "github.com/mayfly-profiler/mayfly/profiler/sample"

// Slices folds the samples of a stream that is cut in time. Between Cut and Close two slices are open, since samples come late.
// The rule for one is
//
//	one on a CPU (an event)    belongs to the slice in which it was taken;
//	one of the goroutine table stands for an interval, and a border in it divides it;
//	one that comes so late that its slice is closed belongs to the oldest that is open, whole.
//
// So each nanosecond that a source reports is in one slice. It is for one goroutine at a time.
type Slices struct {
	last   *Builder
	before *Builder // of the slice that ends at border, until all its samples have come; or nil
	border int64    // by the clock of the samples, ns
}

// NewSlices returns the slices of a stream, the first of which b folds.
func NewSlices(b *Builder) *Slices { return &Slices{last: b} }

// Last is the builder of the newest slice.
func (s *Slices) Last() *Builder { return s.last }

// Cut ends the newest slice at a moment by the clock of the samples, in ns, and begins the next.
func (s *Slices) Cut(border int64) {
	s.before, s.border = s.last, border
	s.last = s.before.next()
}

// Close returns the builder of the slice that the last Cut has ended. It gets no more samples.
func (s *Slices) Close() *Builder {
	b := s.before
	s.before = nil
	return b
}

// Add adds a sample to the slice that it belongs to. It does not keep the sample or its slices.
func (s *Slices) Add(x *sample.Sample) {
	if s.before == nil {
		s.last.Add(x)
		return
	}
	begin := x.Time - x.Weight
	switch {
	case x.Time <= s.border:
		s.before.Add(x)
	case x.Count > 0 || begin >= s.border:
		s.last.Add(x)
	default:
		part := *x
		part.Time, part.Weight = s.border, s.border-begin
		s.before.Add(&part)
		part.Time, part.Weight = x.Time, x.Time-s.border
		s.last.Add(&part)
	}
}
