package sample

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Kinds of ExactCPU.
const (
	CPUOfLabels    = "labels"         // goroutines with Labels, or with none
	CPUOfNone      = "no goroutine"   // threads that looked for one, or worked for none
	CPUOfLost      = "unknown labels" // goroutines whose labels could not be read
	CPUOfUnknown   = "unknown"        // threads of which nothing was known yet
	CPUOfProbes    = "probes"         // what counting took of the program's time
	CPUOfRemaining = "other labels"   // the label sets with least CPU time, where there are many
)

// ExactCPU is CPU time that was counted and not sampled.
type ExactCPU struct {
	Kind   string  `json:"kind"`
	Labels []Label `json:"labels,omitempty"`
	CPU    int64   `json:"cpu_ns"`
	Error  int64   `json:"error_ns"` // how far CPU may be off
	Stints int64   `json:"stints"`   // how often a thread went on with such a goroutine
}

// String is `endpoint="/a" 1.234567s +-1.2ms, 120 stints`.
func (e ExactCPU) String() string {
	name := e.Kind
	if len(e.Labels) > 0 {
		texts := make([]string, len(e.Labels))
		for i, l := range e.Labels {
			texts[i] = labelText(l.Key, l.Value)
		}
		name = strings.Join(texts, " ")
	}
	cpu, off := time.Duration(e.CPU).Round(time.Microsecond), time.Duration(e.Error).Round(time.Microsecond)
	return fmt.Sprintf("%s %s +-%s, %d stints", name, cpu, off, e.Stints)
}

// mostSets is how many label sets are kept apart.
const mostSets = 256

// MostCPU sorts by CPU time, the most first, and makes one of the label sets beyond the first 256. It changes all.
func MostCPU(all []ExactCPU) []ExactCPU {
	slices.SortFunc(all, func(a, b ExactCPU) int {
		return cmp.Or(cmp.Compare(b.CPU, a.CPU), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.String(), b.String()))
	})
	rest := ExactCPU{Kind: CPUOfRemaining}
	kept, sets := all[:0], 0
	for _, e := range all {
		if e.Kind == CPUOfLabels {
			sets++
		}
		if e.Kind != CPUOfRemaining && (e.Kind != CPUOfLabels || sets <= mostSets) {
			kept = append(kept, e)
			continue
		}
		rest.CPU += e.CPU
		rest.Error += e.Error
		rest.Stints += e.Stints
	}
	if rest.CPU != 0 || rest.Stints != 0 {
		kept = append(kept, rest)
	}
	return kept
}
