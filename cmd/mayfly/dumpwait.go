package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mayfly-profiler/mayfly/profiler"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// queue is an object and whoever waits for it.
type queue struct {
	kind sample.ObjectKind
	addr uint64
}

// queues counts the goroutines that wait for each object.
func queues(all []profiler.Goroutine) map[queue]int {
	n := make(map[queue]int)
	for _, g := range all {
		for i, o := range g.WaitOn {
			if i == 0 || g.WaitOn[i-1].Addr != o.Addr { // a select may have a channel twice
				n[queue{o.Kind, o.Addr}]++
			}
		}
	}
	return n
}

// objects is what a goroutine waits for, as text. The state says what it does with a single channel.
func objects(g profiler.Goroutine) string {
	list := slices.Clone(g.WaitOn)
	for i := range list {
		list[i].Due, list[i].Every = 0, 0
	}
	if len(list) == 1 {
		list[0].Op = sample.NoOp
	}
	return sample.FormatObjects(list, !g.WaitCut)
}

// due says when the first timer that a goroutine waits for fires.
func due(g profiler.Goroutine) string {
	first := int64(0)
	for _, o := range g.WaitOn {
		if o.Due != 0 && (first == 0 || o.Due < first) {
			first = o.Due
		}
	}
	if first == 0 {
		return ""
	}
	return fmt.Sprintf(", due in %v", time.Until(time.Unix(0, first)).Round(time.Millisecond))
}

// shape is objects without what tells one channel or lock from another.
func shape(g profiler.Goroutine) string {
	var parts []string
	for _, o := range g.WaitOn {
		text := o.Kind.String()
		if o.Kind == sample.Chan {
			text = fmt.Sprintf("%s cap=%d", text, o.Cap)
		}
		if len(g.WaitOn) > 1 && o.Op != sample.NoOp {
			text += " " + o.Op.String()
		}
		parts = append(parts, text)
	}
	if g.WaitCut {
		parts = append(parts, "...")
	}
	return strings.Join(parts, ", ")
}

// waitsOn says what the goroutines of a group wait for, and how many wait for it in all.
func (x *group) waitsOn(waiting map[queue]int) string {
	g := x.first
	switch {
	case len(g.WaitOn) == 0:
		return ""
	case len(x.on) > 1:
		most, n := x.busiest()
		if n == 1 {
			return fmt.Sprintf("%s (%d different)", shape(g), len(x.on))
		}
		return fmt.Sprintf("%s (%d different; %d wait for %s)", shape(g), len(x.on), n, most)
	case len(g.WaitOn) > 1:
		return objects(g) + due(g)
	}
	n := waiting[queue{g.WaitOn[0].Kind, g.WaitOn[0].Addr}]
	if n == len(x.ids) {
		return objects(g) + due(g)
	}
	return fmt.Sprintf("%s%s, %d wait for it", objects(g), due(g), n)
}

// busiest is what most of the group wait for.
func (x *group) busiest() (text string, n int) {
	for t, k := range x.on {
		if k > n || k == n && t < text {
			text, n = t, k
		}
	}
	return text, n
}

// group is goroutines that are equal but for their ids.
type group struct {
	first profiler.Goroutine
	ids   []uint64
	on    map[string]int // what they wait for, and how many
}
