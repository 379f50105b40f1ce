package timeline

import (
	"fmt"
	"strings"
)

// Selector says what a request is. The zero value is Func over the server functions of net/http,
// gRPC and fasthttp; in a trace without any, its tasks.
type Selector struct {
	By   By
	Name string // a label key, or a function as the profile spells it
}

// By is a way to tell requests apart.
type By string

const (
	Label     By = "label"     // each value of a label is one request
	Func      By = "func"      // a goroutine is inside a request while a function is on its stack
	Goroutine By = "goroutine" // each goroutine that starts in a function is one request

	TraceTask   By = "task"   // each task of runtime/trace of a type is one request: a trace has them
	TraceRegion By = "region" // each region of a type
)

// ParseSelector reads "label:KEY", "func:NAME", "goroutine:FUNC", "task:TYPE" or "region:TYPE"; "" is the zero Selector.
func ParseSelector(s string) (Selector, error) {
	if s == "" {
		return Selector{}, nil
	}
	by, name, ok := strings.Cut(s, ":")
	sel := Selector{By(by), name}
	switch sel.By {
	case Label, Func, Goroutine, TraceTask, TraceRegion:
		if ok && name != "" {
			return sel, nil
		}
	}
	return Selector{}, fmt.Errorf("request %q: want label:KEY, func:NAME, goroutine:FUNC, task:TYPE or region:TYPE", s)
}

// String is the selector as ParseSelector reads it.
func (s Selector) String() string {
	if s == (Selector{}) {
		return ""
	}
	return string(s.By) + ":" + s.Name
}

// Functions are the names that a Func selector looks for, the zero value included. Not to be changed.
func (s Selector) Functions() []string {
	if s.Name == "" {
		return servers
	}
	return []string{s.Name}
}

// Hint says why there may be no whole request; cut is how many are unfinished.
func (s Selector) Hint(cut int) string {
	switch {
	case cut > 0:
		return fmt.Sprintf("%d are unfinished: record longer", cut)
	case s.By == TraceTask, s.By == TraceRegion:
		return fmt.Sprintf("no %s %s: an execution trace has those that runtime/trace began in it", s.By, s.Name)
	case s.By == Label:
		return fmt.Sprintf("no goroutine has the label %s", s.Name)
	case s.Name == "":
		return "no server function of net/http, gRPC or fasthttp on any stack: name one with --request func:NAME, or a label with label:KEY"
	}
	return fmt.Sprintf("%s is on no stack: write it as the profile does, with its package's full path", s.Name)
}
