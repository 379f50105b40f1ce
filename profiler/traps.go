package profiler

import (
	"github.com/mayfly-profiler/mayfly/internal/fold"
	"github.com/mayfly-profiler/mayfly/internal/source/goroutine"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

const (
	keptShare  = 10  // goroutines that keep a label are told when that is a tenth of the recording, together,
	timerShare = 100 // functions of timers when they have a hundredth of the CPU time,
	timerWall  = 20  // or a twentieth of the recording in all states
)

// traps are the goroutines whose labels are not those of what they work for, as far as it matters.
func (r *recording) traps(t *fold.Tally, table *goroutine.Stats) (traps []sample.LabelTrap) {
	length := table.End - table.Begin
	for _, k := range table.Kept {
		if k.Time*keptShare < length {
			continue
		}
		traps = append(traps, sample.LabelTrap{
			Kind: sample.TrapKept, CreatedBy: r.createdBy(k.Created), Label: k.Label.Key, Value: k.Label.Value, Goroutines: k.Goroutines,
			Time: k.Time, Usual: k.Usual,
		})
	}
	labelled := t.CPU > t.Unlabeled || len(table.Lifetimes) > 1
	if labelled && (t.TimerCPU > 0 && t.TimerCPU*timerShare >= t.CPU || length > 0 && t.TimerWall*timerWall >= length) {
		traps = append(traps, sample.LabelTrap{Kind: sample.TrapTimer, CreatedBy: t.Timers, Time: t.TimerWall, CPU: t.TimerCPU})
	}
	return traps
}

// createdBy is the go statement with a return address.
func (r *recording) createdBy(ra uint64) string {
	frames, _ := r.symbols.Resolve(nil, ra-1)
	if text := fold.CreatedBy(frames); ra != 0 && text != "" {
		return text
	}
	return "somebody unknown"
}
