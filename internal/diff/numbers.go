package diff

import (
	"fmt"
	"math"
)

// percent is a share with as many digits as it needs.
func percent(v float64) string {
	switch p := 100 * v; {
	case p == 0:
		return "0%"
	case math.Abs(p) >= 9.995:
		return fmt.Sprintf("%.1f%%", p)
	case math.Abs(p) >= 0.0995:
		return fmt.Sprintf("%.2f%%", p)
	default:
		return fmt.Sprintf("%.3f%%", p)
	}
}

func signed(v float64) string {
	if math.Abs(v) >= 10 {
		return fmt.Sprintf("%+.0f%%", 100*v)
	}
	return fmt.Sprintf("%+.1f%%", 100*v)
}

// duration is ns with three digits.
func duration(ns float64) string {
	for _, u := range []struct {
		ns   float64
		name string
	}{{1e9, "s"}, {1e6, "ms"}, {1e3, "µs"}} {
		if v := ns / u.ns; math.Abs(v) >= 0.9995 {
			return digits(v) + u.name
		}
	}
	return digits(ns) + "ns"
}

// amount is a number that is no time, with three digits.
func amount(v float64) string {
	for _, u := range []struct {
		n    float64
		name string
	}{{1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if x := v / u.n; math.Abs(x) >= 0.9995 {
			return digits(x) + u.name
		}
	}
	return digits(v)
}

// digits is v with three digits, and all those before the point.
func digits(v float64) string {
	switch a := math.Abs(v); {
	case a >= 99.95:
		return fmt.Sprintf("%.0f", v)
	case a >= 9.995:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
