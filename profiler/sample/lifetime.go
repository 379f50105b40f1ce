package sample

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

// Lifetimes is for how long goroutines had a value of a label: from when they took it, or began with it, until they took
// another one or ended. Without a Key it is how long they lived. Only what was seen to begin is in Bins and the
// percentiles; what had not ended when the recording did counts there as living longer than it was seen (the estimator of
// Kaplan and Meier), so that a short recording does not make long lives short.
type Lifetimes struct {
	Key     string        `json:"label"`
	Value   string        `json:"value"`
	Ended   int64         `json:"ended"`   // seen to begin and to end
	Alive   int64         `json:"alive"`   // seen to begin, and not to end
	Unknown int64         `json:"unknown"` // began before the recording, or between two scans far apart
	Unseen  int64         `json:"unseen"`  // of all goroutines: met by no scan; of a label 0
	P50     int64         `json:"p50_ns"`  // -1: longer than what was seen; 0: less than the time between two scans
	P99     int64         `json:"p99_ns"`  // the same
	Bins    []LifetimeBin `json:"histogram"`
}

// LifetimeBin counts what lasted, or was seen to last so far, less than Below and not less than Below of the bin before, in
// ns. Bins are those of LifetimeBelow; empty ones are left out.
type LifetimeBin struct {
	Below int64 `json:"below_ns"` // 0: no bound
	Ended int64 `json:"ended"`
	Alive int64 `json:"alive"`
}

// The bins of lifetimes: four in each power of two, from 131 us on to 37 minutes.
const (
	firstOctave  = 17
	octaves      = 24
	LifetimeBins = 2 + 4*octaves
)

// LifetimeBinOf is the number of the bin of a length in ns, below LifetimeBins.
func LifetimeBinOf(ns int64) int {
	if ns < 1<<firstOctave {
		return 0
	}
	octave := bits.Len64(uint64(ns)) - 1
	return min(1+4*(octave-firstOctave)+int(ns>>(octave-2)&3), LifetimeBins-1)
}

// LifetimeBelow is the bound of a bin in ns, which its lengths are below; 0 for the last one, which has none.
func LifetimeBelow(bin int) int64 {
	switch {
	case bin == LifetimeBins-1:
		return 0
	case bin == 0:
		return 1 << firstOctave
	}
	return int64(5+(bin-1)%4) << (firstOctave + (bin-1)/4 - 2)
}

// Estimate fills in Ended, Alive, P50 and P99 from the bins.
func (l *Lifetimes) Estimate() {
	l.Ended, l.Alive = 0, 0
	for _, b := range l.Bins {
		l.Ended += b.Ended
		l.Alive += b.Alive
	}
	l.P50, l.P99 = l.Quantile(0.5), l.Quantile(0.99)
}

// Quantile is the length that a part q of all is shorter than, in ns; -1 if no more is known than that it is longer than
// what was seen, 0 if than that it is shorter than the time between two scans. Who has not ended within a bin counts as
// having been at risk for half of it.
func (l *Lifetimes) Quantile(q float64) int64 {
	all, unseen := float64(l.Ended+l.Alive+l.Unseen), float64(l.Unseen)
	if unseen > 0 && unseen >= q*all {
		return 0
	}
	left, risk := 1-unseen/max(all, 1), all-unseen
	for _, b := range l.Bins {
		if within := risk - float64(b.Alive)/2; b.Ended > 0 && within > 0 {
			next := left * max(0, 1-float64(b.Ended)/within)
			if next <= 1-q+1e-9 {
				return b.at((left - (1 - q)) / (left - next))
			}
			left = next
		}
		risk -= float64(b.Ended + b.Alive)
	}
	return -1
}

// at is the length at a part of the bin, from 0 to 1.
func (b *LifetimeBin) at(part float64) int64 {
	if b.Below == 0 {
		return LifetimeBelow(LifetimeBins - 2)
	}
	low := int64(0)
	if bin := LifetimeBinOf(b.Below - 1); bin > 0 {
		low = LifetimeBelow(bin - 1)
	}
	return low + int64(part*float64(b.Below-low))
}

// String is `endpoint="/a" 120 ended, 3 alive, 2 unknown, p50 1.2ms, p99 20ms`; the key of all goroutines is "all".
func (l Lifetimes) String() string {
	name := "all"
	if l.Key != "" {
		name = labelText(l.Key, l.Value)
	}
	unseen := ""
	if l.Unseen > 0 {
		unseen = fmt.Sprintf(", %d not seen", l.Unseen)
	}
	return fmt.Sprintf("%s %d ended, %d alive, %d unknown%s, p50 %s, p99 %s", name, l.Ended, l.Alive, l.Unknown, unseen,
		lifetime(l.P50), lifetime(l.P99))
}

// labelText is a label as text of one line, in printable characters and not long: key="value".
func labelText(key, value string) string {
	k := strconv.Quote(short(key))
	return k[1:len(k)-1] + "=" + strconv.Quote(short(value))
}

// short is the text if that is short, or the beginning of it.
func short(text string) string {
	const most = 100
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "..."
}

func lifetime(ns int64) string {
	switch {
	case ns < 0:
		return "longer"
	case ns == 0:
		return "below a scan"
	}
	return time.Duration(ns).Round(10 * time.Microsecond).String()
}
