package diff

import (
	"strconv"
	"strings"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// labels is the row of a sample where rows are not functions or lines.
func (by By) labels(s *profile.Sample) string {
	var parts []string
	if key := by.Label; key != "" {
		v := "(none)"
		if values := s.Label[key]; len(values) > 0 {
			v = strings.Join(values, ",")
		} else if nums := s.NumLabel[key]; len(nums) > 0 {
			v = strconv.FormatInt(nums[0], 10)
		}
		parts = append(parts, key+"="+v)
	}
	if by.State {
		parts = append(parts, state(s))
	}
	return strings.Join(parts, ", ")
}

// state is a sample's state; profiles without states are of CPU time.
func state(s *profile.Sample) string {
	if v := s.Label[sample.KeyState]; len(v) > 0 {
		return v[0]
	}
	return "running"
}
