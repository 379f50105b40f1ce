package export

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/samples"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// Options say what of a profile a format shows that cannot show all of it at once. The zero value is the default.
type Options struct {
	// Column is the sample type that formats with one number a stack write, and the others show first; "" is wall where
	// the profile has it, since all of a program's waiting is in no other, else the profile's default.
	Column string
	// Labels are keys of labels whose values become frames at the root, "key=value", the first key outermost. Formats that
	// keep labels as labels (pprof, otlp, perfetto) leave that to who reads them.
	Labels []string
	// Service is the name of the service that the profile is of, for otlp; "" is what the profile says itself, else the name of
	// its executable.
	Service string
}

// column is the index of the sample type to show first; -1 if the profile has none.
func (o Options) column(p *profile.Profile) (int, error) {
	if o.Column == "" {
		if i := indexOf(p, sample.ColumnWall); i >= 0 {
			return i, nil
		}
		return defaultColumn(p), nil
	}
	if i := indexOf(p, o.Column); i >= 0 {
		return i, nil
	}
	var names []string
	for _, t := range p.SampleType {
		names = append(names, t.Type)
	}
	return 0, fmt.Errorf("column %q: not one of this profile's: %s", o.Column, strings.Join(names, ", "))
}

// indexOf is the index of a sample type by its name, -1 if there is none.
func indexOf(p *profile.Profile, column string) int {
	return slices.IndexFunc(p.SampleType, func(t *profile.ValueType) bool { return t.Type == column })
}

// defaultColumn is the index of the default sample type; without one it is the last, as pprof has it.
func defaultColumn(p *profile.Profile) int {
	if i := indexOf(p, p.DefaultSampleType); i >= 0 && p.DefaultSampleType != "" {
		return i
	}
	return len(p.SampleType) - 1
}

// none is the value of a label that a sample does not have: its time is beside that of those that have it, not hidden.
const none = "(none)"

// labelFrame is the frame that a label of a sample becomes.
func labelFrame(s *profile.Sample, key string) string {
	if v := s.Label[key]; len(v) > 0 {
		return valid(key + "=" + strings.Join(v, ","))
	}
	var numbers []string
	for i := range s.NumLabel[key] {
		numbers = append(numbers, samples.NumberText(s, key, i))
	}
	if len(numbers) > 0 {
		return valid(key + "=" + strings.Join(numbers, ","))
	}
	return valid(key + "=" + none)
}

// frameName is a function's name, or what stands for one that has none.
func frameName(f *profile.Function) string {
	if f == nil {
		return "[unknown]"
	}
	return valid(cmp.Or(f.Name, f.SystemName, "[unknown]"))
}

// valid is a text as all formats here want it: profiles of others may have any bytes in their names.
func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
