package diff

import (
	"fmt"
	"strings"
)

// Options say how to compare. The zero value works.
type Options struct {
	// By says what a row is; the zero value is a function.
	By By
	// Columns are the sample types to compare; nil is all columns of time that both sides have.
	Columns []string
	// Cumulative compares the time of a function with all that it called, instead of its own.
	Cumulative bool
	// Within are functions below which a profile's time is kept apart; Explain asks for it.
	Within []string
	// Folded are functions by the name of the row that they are in, where it is another. Explain says which.
	Folded map[string]string
	// Ops is the number of operations in each profile; 0 is unknown.
	Ops float64
	// Per is a label key whose distinct values in a profile are its number of requests.
	Per string
	// Alpha bounds the share of false findings, of regressions and of improvements apart; 0 is
	// DefaultAlpha.
	Alpha float64
	// MinEffect is the smallest relative change that counts; 0 is DefaultMinEffect.
	MinEffect float64
	// Floors are, by column, what the host's own noise is: changes that are smaller do not count either. Of a column with an
	// infinite one nothing does.
	Floors map[string]float64
	// Rounds are runs of benchmarks of both sides side by side, which the profiles know nothing of.
	Rounds []Round
	// MinSamples is how many samples of both sides a row needs to be tested; 0 is DefaultMinSamples.
	MinSamples float64
	// AnyHost compares profiles although they come from different kernels or CPUs.
	AnyHost bool
}

const (
	DefaultAlpha      = 0.05
	DefaultMinEffect  = 0.02
	DefaultMinSamples = 50
)

func (o Options) withDefaults() Options {
	if o.Alpha == 0 {
		o.Alpha = DefaultAlpha
	}
	if o.MinEffect == 0 {
		o.MinEffect = DefaultMinEffect
	}
	if o.MinSamples == 0 {
		o.MinSamples = DefaultMinSamples
	}
	return o
}

// By says what a row is. The zero value is a function; Label and State can be combined.
type By struct {
	Line  bool
	State bool
	Label string // its key
}

// ParseBy reads func, line, state, label:KEY or label:KEY,state.
func ParseBy(text string) (By, error) {
	var by By
	parts := strings.Split(text, ",")
	for _, part := range parts {
		key, isLabel := strings.CutPrefix(part, "label:")
		switch {
		case part == "func" && len(parts) == 1:
		case part == "line" && len(parts) == 1:
			by.Line = true
		case part == "state":
			by.State = true
		case isLabel && key != "" && by.Label == "":
			by.Label = key
		default:
			return by, fmt.Errorf("rows by %q: not func, line, state, label:KEY or label:KEY,state", text)
		}
	}
	return by, nil
}

// String is what ParseBy reads.
func (by By) String() string {
	switch {
	case by.Line:
		return "line"
	case by.Label != "" && by.State:
		return "label:" + by.Label + ",state"
	case by.Label != "":
		return "label:" + by.Label
	case by.State:
		return "state"
	}
	return "func"
}

func (by By) frames() bool { return by.Label == "" && !by.State }
