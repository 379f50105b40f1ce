package sample

import (
	"fmt"
	"time"
)

// Life counts the new goroutines whose life, as far as it was seen, was shorter than Below and not
// in the Life before. Those that were not seen at all lived mostly for less than
// one period, and for less than two of them surely but for missed ticks.
type Life struct {
	Below time.Duration `json:"below_ns"` // 0: no bound
	Seen  int64         `json:"seen"`
	At100 int64         `json:"at_100hz"` // of them, those that ticks at 100 Hz would have seen
}

// String is below which length, how many, and of them at 100 Hz: "<1ms 120 (11)".
func (l Life) String() string {
	below := "longer"
	if l.Below > 0 {
		below = "<" + l.Below.String()
	}
	return fmt.Sprintf("%s %d (%d)", below, l.Seen, l.At100)
}
