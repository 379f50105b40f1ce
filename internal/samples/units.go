package samples

import (
	"path"
	"strconv"

	"github.com/google/pprof/profile"
)

// NumberText is the i-th number that a sample's label has, with its unit if it has one: 5 ms and 5 s are two values.
func NumberText(s *profile.Sample, key string, i int) string {
	text := strconv.FormatInt(s.NumLabel[key][i], 10)
	if units := s.NumUnit[key]; i < len(units) && units[i] != "" {
		text += " " + units[i]
	}
	return text
}

// Unnamed stands for the function of a location that has no line: the file that its address is in, "[libc.so.6]", if that is
// known. Addresses differ between builds.
func Unnamed(l *profile.Location) string {
	if l.Mapping == nil || l.Mapping.File == "" {
		return "[unknown]"
	}
	return "[" + path.Base(l.Mapping.File) + "]"
}

// Nanoseconds is how many ns one of a unit of time is, 0 of what is no unit of time. The names are those by which go tool pprof
// knows what a profile's numbers are (internal/measurement), as far as profilers write them.
func Nanoseconds(unit string) int64 {
	switch unit {
	case "nanoseconds", "nanosecond", "ns":
		return 1
	case "microseconds", "microsecond", "us", "µs":
		return 1e3
	case "milliseconds", "millisecond", "ms":
		return 1e6
	case "seconds", "second", "s":
		return 1e9
	}
	return 0
}
