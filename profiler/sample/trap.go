package sample

import (
	"fmt"
	"time"
)

// Kinds of LabelTrap.
const (
	// TrapKept is goroutines that began with labels of another one, which has left them or ended since: they keep them,
	// and all that they do counts for them.
	TrapKept = "kept"
	// TrapTimer is goroutines that run a function of time.AfterFunc. The runtime starts them, without labels, whoever has
	// set the timer.
	TrapTimer = "timer"
)

// LabelTrap is goroutines whose labels, or the lack of them, are not those of what they work for.
type LabelTrap struct {
	Kind       string `json:"kind"`
	CreatedBy  string `json:"created_by"` // as the label go.created_by has it
	Label      string `json:"label"`      // of TrapKept: the key,
	Value      string `json:"value"`      // and the value that one of them has
	Goroutines int64  `json:"goroutines"` // that are in it at the end; of TrapTimer 0, not known
	Time       int64  `json:"wall_ns"`    // of theirs, in all states: since they have the label, as far as it was seen
	CPU        int64  `json:"cpu_ns"`     // of TrapTimer; of TrapKept 0, not known
	Usual      int64  `json:"usual_ns"`   // of TrapKept: nine of ten who took and left the label had it for less
}

// String is a sentence that says so.
func (t LabelTrap) String() string {
	wall := time.Duration(t.Time).Round(time.Millisecond)
	if t.Kind == TrapTimer {
		return fmt.Sprintf("functions of time.AfterFunc have no labels: %s on a CPU, %s in all states",
			time.Duration(t.CPU).Round(time.Millisecond), wall)
	}
	return fmt.Sprintf("%d goroutines created by %s keep labels of others, who have left them: %s, for %s in all; "+
		"nine of ten leave it within %s", t.Goroutines, t.CreatedBy, labelText(t.Label, t.Value), wall,
		time.Duration(t.Usual).Round(time.Microsecond))
}
