package samples

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
