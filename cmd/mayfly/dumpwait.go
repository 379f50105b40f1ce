package main

import (
	"fmt"
	"strings"

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
	list := g.WaitOn
	if len(list) == 1 {
		one := list[0]
		one.Op = sample.NoOp
		list = []sample.Object{one}
	}
	return sample.FormatObjects(list, !g.WaitCut)
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
		return objects(g)
	}
	n := waiting[queue{g.WaitOn[0].Kind, g.WaitOn[0].Addr}]
	if n == len(x.ids) {
		return objects(g)
	}
	return fmt.Sprintf("%s, %d wait for it", objects(g), n)
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
