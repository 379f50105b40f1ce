package main

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mayfly-profiler/mayfly/internal/printable"
	"github.com/mayfly-profiler/mayfly/profiler"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

func dumpCommand(e *env) *cobra.Command {
	var pid int
	var labels, states []string
	var asJSON, each bool
	cmd := &cobra.Command{
		Use:     "dump -p PID",
		GroupID: groupRecord,
		Short:   "Print all goroutines of a process, without stopping it",
		Long: `Dump prints all goroutines of a running process, in groups of the same state, labels and
stack, the largest group first. The process is not stopped or signalled. A goroutine that is
running has no stack: its frames are in registers. Of a waiting goroutine dump says what it
waits for: the peer of a connection; or the channel with its capacity and length, the lock or
the condition, and how many goroutines wait for it.`,
		Example: `  mayfly dump -p 4242
  mayfly dump -p 4242 --label endpoint=/fulfil --state 'IO wait'
  mayfly dump -p 4242 --label tenant=/^a/ --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if pid <= 0 {
				return usagef("dump: need a process (-p PID); mayfly list shows the Go processes")
			}
			f, err := newFilter(labels, states)
			if err != nil {
				return err
			}
			all, err := profiler.Dump(cmd.Context(), pid)
			if err != nil {
				return err
			}
			waiting := queues(all)
			return printDump(e, slices.DeleteFunc(all, f.rejects), waiting, dumpForm{asJSON, each})
		},
	}
	fl := cmd.Flags()
	fl.IntVarP(&pid, "pid", "p", 0, "dump the process with this `PID`")
	fl.StringArrayVar(&labels, "label", nil, "only goroutines with this `label`: KEY=VALUE, KEY=/REGEXP/ or KEY; may be repeated")
	fl.StringArrayVar(&states, "state", nil, "only goroutines in this `state`, such as running or 'IO wait'; may be repeated")
	fl.BoolVar(&each, "each", false, "print every goroutine, not groups")
	fl.BoolVar(&asJSON, "json", false, jsonUsage)
	cmd.RegisterFlagCompletionFunc("pid", completePID)
	return cmd
}

// filter says which goroutines are wanted: all labels and one of the states.
type filter struct {
	labels map[string]func(string) bool
	states []string
}

func newFilter(labels, states []string) (*filter, error) {
	f := &filter{make(map[string]func(string) bool), states}
	for _, l := range labels {
		key, value, has := strings.Cut(l, "=")
		switch {
		case key == "":
			return nil, usagef("dump: label %q: write KEY=VALUE, KEY=/REGEXP/ or KEY", l)
		case !has:
			f.labels[key] = func(string) bool { return true }
		case len(value) > 1 && value[0] == '/' && value[len(value)-1] == '/':
			re, err := regexp.Compile(value[1 : len(value)-1])
			if err != nil {
				return nil, usagef("dump: label %q: %w", l, err)
			}
			f.labels[key] = re.MatchString
		default:
			f.labels[key] = func(v string) bool { return v == value }
		}
	}
	return f, nil
}

func (f *filter) rejects(g profiler.Goroutine) bool {
	if len(f.states) > 0 && !slices.Contains(f.states, string(g.State)) {
		return true
	}
	for key, ok := range f.labels {
		if !slices.ContainsFunc(g.Labels, func(l sample.Label) bool { return l.Key == key && ok(l.Value) }) {
			return true
		}
	}
	return false
}

// dumpForm is how goroutines are printed.
type dumpForm struct{ json, each bool }

func printDump(e *env, all []profiler.Goroutine, waiting map[queue]int, form dumpForm) error {
	if form.json {
		return writeGoroutines(jsonText.writer(e.stdout), all)
	}
	out := bufio.NewWriter(e.stdout)
	for _, g := range groups(all, form.each) {
		g.print(out, waiting)
	}
	if len(all) == 0 {
		e.say("no goroutine matches")
	}
	return out.Flush()
}

// writeGoroutines writes one JSON object, goroutine by goroutine: the text of all of them is many times what they
// take in memory, where they share labels and frames.
func writeGoroutines(w io.Writer, all []profiler.Goroutine) error {
	out := bufio.NewWriterSize(w, 64<<10)
	var one bytes.Buffer
	enc := json.NewEncoder(&one)
	enc.SetEscapeHTML(false)
	enc.SetIndent("    ", "  ")
	out.WriteString("{\n  \"goroutines\": [") // errors of out come with Flush
	for i := range all {
		one.Reset()
		if err := enc.Encode(&all[i]); err != nil {
			return err
		}
		if i > 0 {
			out.WriteByte(',')
		}
		out.WriteString("\n    ")
		out.Write(bytes.TrimSuffix(one.Bytes(), []byte("\n")))
	}
	if len(all) > 0 {
		out.WriteString("\n  ")
	}
	out.WriteString("]\n}\n")
	return out.Flush()
}

// groups puts equal goroutines together, the largest group first.
func groups(all []profiler.Goroutine, each bool) []*group {
	var list []*group
	byKey := make(map[string]*group)
	for _, g := range all {
		key := fmt.Sprint(g.State, g.PeerGroup, g.IO, shape(g), g.Labels, g.Stack, g.CreatedBy, g.Function)
		x := byKey[key]
		if x == nil || each {
			x = &group{first: g, on: make(map[string]int)}
			byKey[key] = x
			list = append(list, x)
		}
		x.ids = append(x.ids, g.ID)
		if len(g.WaitOn) > 0 {
			x.on[objects(g)]++
		}
	}
	slices.SortStableFunc(list, func(a, b *group) int { return cmp.Compare(len(b.ids), len(a.ids)) })
	return list
}

// shownIDs is how many ids a group's headline names.
const shownIDs = 8

// began says in which function a goroutine began, if that is known.
func began(g profiler.Goroutine) string {
	if g.Function == "" {
		return ""
	}
	return "; it began in " + printable.Line(g.Function)
}

// doing is a goroutine's state, and who or what it waits for.
func doing(g profiler.Goroutine, peer, on string) string {
	switch {
	case on != "":
		return printable.Line(fmt.Sprintf("%s on %s", g.State, on))
	case peer == "":
		return printable.Line(string(g.State))
	}
	return printable.Line(fmt.Sprintf("%s, %s %s", g.State, g.IO, peer))
}

func (x *group) print(w *bufio.Writer, waiting map[queue]int) {
	g, on := x.first, x.waitsOn(waiting)
	if len(x.ids) == 1 {
		fmt.Fprintf(w, "goroutine %d [%s]", g.ID, doing(g, g.Peer, on))
	} else {
		ids := strings.Trim(fmt.Sprint(x.ids[:min(len(x.ids), shownIDs)]), "[]")
		if len(x.ids) > shownIDs {
			ids += " ..."
		}
		fmt.Fprintf(w, "%d goroutines [%s] %s", len(x.ids), doing(g, g.PeerGroup, on), ids)
	}
	for _, l := range g.Labels {
		fmt.Fprintf(w, " %s=%q", printable.Line(l.Key), l.Value)
	}
	fmt.Fprintln(w)
	switch {
	case len(g.Stack) == 0 && g.State == sample.Running:
		fmt.Fprintf(w, "\t(running: its frames cannot be seen from outside%s)\n", began(g))
	case len(g.Stack) == 0:
		fmt.Fprintf(w, "\t(ran while its stack was read%s)\n", began(g))
	}
	for _, f := range g.Stack {
		fmt.Fprintf(w, "\t%s\n", printable.Line(f.Func))
		if f.File != "" {
			fmt.Fprintf(w, "\t\t%s:%d\n", printable.Line(f.File), f.Line)
		}
	}
	if c := g.CreatedBy; c != nil {
		fmt.Fprintf(w, "\tcreated by %s", printable.Line(c.Func))
		if len(x.ids) == 1 && g.Parent != 0 {
			fmt.Fprintf(w, " in goroutine %d", g.Parent)
		}
		fmt.Fprintf(w, "\n\t\t%s:%d\n", printable.Line(c.File), c.Line)
	}
	fmt.Fprintln(w)
}
