package main

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/mayfly-profiler/mayfly/internal/settings"
)

// An agent's flags are set by the command line, then by variables, then by a file: what is set is not set again.

// setValue is a flag's value that remembers what it was set to.
type setValue struct {
	pflag.Value
	set []string
}

func (v *setValue) Set(s string) error {
	v.set = append(v.set, s)
	return v.Value.Set(s)
}

// remember makes setValue of all values.
func remember(fl *pflag.FlagSet) {
	fl.VisitAll(func(f *pflag.Flag) {
		if _, many := f.Value.(pflag.SliceValue); many {
			f.DefValue = "" // the help text knows an empty list by its type
		}
		f.Value = &setValue{Value: f.Value}
	})
}

// setTexts is what the flags are set to, by name.
func setTexts(fl *pflag.FlagSet) map[string][]string {
	all := make(map[string][]string)
	fl.Visit(func(f *pflag.Flag) {
		if v, ok := f.Value.(*setValue); ok {
			all[f.Name] = v.set
		}
	})
	return all
}

// complete sets what the command line has not, and checks all of it.
func (f *agentFlags) complete(e *env) error {
	err := fromVariables(e, f.all, "MAYFLY_AGENT_")
	if err == nil && f.config != "" {
		err = f.fromFile()
	}
	if err == nil {
		err = f.check()
	}
	return err
}

// again reads variables and the file again. Of fixed, nil at first, is kept what only a restart changes.
func (f *agentFlags) again(e *env, fixed map[string][]string) (*agentFlags, error) {
	n := &agentFlags{given: f.given, fixed: fixed, all: pflag.NewFlagSet("agent", pflag.ContinueOnError),
		push: pushFlags{getenv: e.getenv, byEnvironment: true}}
	n.define(n.all)
	for _, from := range []map[string][]string{f.given, fixed} {
		for name, values := range from {
			for _, text := range values {
				if err := n.all.Set(name, text); err != nil {
					return nil, err
				}
			}
		}
	}
	return n, n.complete(e)
}

// restarts are the flags of which nothing changes before the next start: they say where profiles are kept and sent to, and what listens.
var restarts = []string{"header", "max-overhead", "metrics", "otlp", "output", "pyroscope", "queue-limit"}

// atOnce are those that change while what is recorded goes on: how profiles leave, and how many are kept.
var atOnce = []string{"disk-limit", "label-allow", "label-deny", "label-hash", "label-salt", "label-truncate", "label-values"}

// reread takes up what the variables and the file say now, and returns which of what has changed is about what is recorded, and how. A file
// that is wrong changes nothing.
func (a *agent) reread() (names []string) {
	n, err := a.flags.again(a.env, nil)
	if err != nil {
		a.env.warn("%v; the settings stay as they are", err)
		return nil
	}
	names = a.flags.changed(n)
	later := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !slices.Contains(restarts, name) })
	if names = slices.DeleteFunc(names, func(name string) bool { return slices.Contains(later, name) }); len(later) > 0 {
		if n, err = a.flags.again(a.env, a.flags.kept()); err != nil {
			a.env.warn("%v; the settings stay as they are", err)
			return nil
		}
		a.env.say("%s: %s: not before the next start", n.config, strings.Join(later, ", "))
	}
	a.adopt(n)
	a.env.say("%s: read again: %s", n.config, cmp.Or(strings.Join(names, ", "), "nothing has changed"))
	return slices.DeleteFunc(names, func(name string) bool { return slices.Contains(atOnce, name) })
}

// adopt has n be what flags say, for what is handed over from now on. The servers are the same.
func (a *agent) adopt(n *agentFlags) {
	a.turn.Lock()
	defer a.turn.Unlock()
	a.flags = n
	a.chosen.Store(&n.chosen)
	if a.store != nil {
		a.store.limit = n.disk.diskLimit
	}
	for i, q := range a.queues {
		q.flags = n.servers[i]
	}
}

// kept is what restarts are set to.
func (f *agentFlags) kept() map[string][]string {
	set := setTexts(f.all)
	kept := make(map[string][]string)
	for _, name := range restarts {
		kept[name] = set[name]
	}
	return kept
}

// changed are the flags that n has other values of.
func (f *agentFlags) changed(n *agentFlags) (names []string) {
	was, is := setTexts(f.all), setTexts(n.all)
	f.all.VisitAll(func(flag *pflag.Flag) {
		if !slices.Equal(was[flag.Name], is[flag.Name]) {
			names = append(names, flag.Name)
		}
	})
	return names
}

// fromVariables sets the flags that are not on the command line and are in the environment.
func fromVariables(e *env, fl *pflag.FlagSet, prefix string) (err error) {
	fl.VisitAll(func(flag *pflag.Flag) {
		name := prefix + strings.ToUpper(strings.ReplaceAll(flag.Name, "-", "_"))
		if text := e.getenv(name); text != "" && !flag.Changed && err == nil {
			if serr := fl.Set(flag.Name, text); serr != nil {
				err = usagef("%s: %s", name, inWords(serr))
			}
		}
	})
	return err
}

// fromFile sets the flags that are in the file and nowhere else. A key that is none is an error, or what it was to be would be missing.
func (f *agentFlags) fromFile() error {
	file, err := os.Open(f.config)
	if err != nil {
		return fmt.Errorf("agent: --config: %w", err)
	}
	defer file.Close()
	all, err := settings.Read(file)
	if err != nil {
		return usagef("agent: %s: %w", f.config, err)
	}
	for _, s := range all {
		flag := f.all.Lookup(s.Key)
		if !isSetting(flag) {
			return usagef("agent: %s: line %d: unknown key %q: keys are the flags of mayfly agent", f.config, s.Line, s.Key)
		}
		if err := f.setFrom(flag, s); err != nil {
			return usagef("agent: %s: line %d: %w", f.config, s.Line, err)
		}
	}
	return nil
}

func isSetting(flag *pflag.Flag) bool {
	if flag == nil || flag.Name == "config" {
		return false
	}
	_, is := flag.Value.(*setValue)
	return is
}

func (f *agentFlags) setFrom(flag *pflag.Flag, s settings.Setting) error {
	if _, is := f.fixed[s.Key]; flag.Changed || is {
		return nil
	}
	if _, many := flag.Value.(*setValue).Value.(pflag.SliceValue); s.List && !many {
		return fmt.Errorf("%s: want one value, not a list", s.Key)
	}
	for _, text := range s.Values {
		if err := f.all.Set(s.Key, text); err != nil {
			return fmt.Errorf("%s: %s", s.Key, inWords(err))
		}
	}
	return nil
}
