package profiler

import (
	"reflect"
	"slices"
)

// largest are the fields of Summary of which a window has the largest, and lasting those of which it
// has the last slice's. All other integers of 64 bits are counts and times of a slice, and add up.
var (
	largest = []string{"TableSlowest", "STWGCMax", "STWOtherMax", "SelfRSS"}
	lasting = []string{"TableFirst", "AttachTime", "Epoch"}
)

// mergeSummaries is the summary of slices that adjoin. Ratios are weighted by the slices' length; what
// is no number is as the last slice says. A number that a slice does not know (-1) the window does not know.
func mergeSummaries(in []kept) Summary {
	sum := in[len(in)-1].summary
	v := reflect.ValueOf(&sum).Elem()
	length := float64(in[len(in)-1].end.Sub(in[0].start))
	for i := range v.NumField() {
		switch f := v.Field(i); f.Kind() {
		case reflect.Int64:
			f.SetInt(mergeInts(v.Type().Field(i).Name, f.Int(), in, i))
		case reflect.Float64:
			f.SetFloat(0)
			for _, k := range in {
				f.SetFloat(f.Float() + reflect.ValueOf(k.summary).Field(i).Float()*float64(k.end.Sub(k.start))/max(length, 1))
			}
		}
	}
	sum.Denied, sum.GoroutinesSeen, sum.Lives = nil, in[0].summary.GoroutinesSeen, nil
	for i, k := range in {
		if i > 0 {
			sum.GoroutinesSeen += k.fresh
		}
		sum.GoroutinesSeen = max(sum.GoroutinesSeen, k.summary.GoroutinesSeen)
		sum.Lives = addLives(sum.Lives, k.summary.Lives)
		for _, d := range k.summary.Denied {
			if !slices.Contains(sum.Denied, d) {
				sum.Denied = append(sum.Denied, d)
			}
		}
	}
	if sum.CPUProfiled > 0 {
		sum.RateReached = float64(sum.Samples+sum.Lost) / (float64(sum.CPUProfiled) / 1e9)
	}
	return sum
}

// mergeInts merges the field i of all slices; last is what the last one has.
func mergeInts(name string, last int64, in []kept, i int) (n int64) {
	if slices.Contains(lasting, name) {
		return last
	}
	for _, k := range in {
		x := reflect.ValueOf(k.summary).Field(i).Int()
		switch {
		case x < 0:
			return x
		case slices.Contains(largest, name):
			n = max(n, x)
		default:
			n += x
		}
	}
	return n
}

func addLives(a, b []Life) []Life {
	if len(a) != len(b) {
		return slices.Clone(b)
	}
	for i := range a {
		a[i].Seen += b[i].Seen
		a[i].At100 += b[i].At100
	}
	return a
}
