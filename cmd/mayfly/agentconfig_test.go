package main

import (
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// example is the file of settings in docs/agent.md.
func example(t *testing.T) string {
	t.Helper()
	doc, err := os.ReadFile("../../docs/agent.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(doc), "```yaml\n")
	text, _, ok := strings.Cut(text, "```")
	if !ok {
		t.Fatal("docs/agent.md has no example")
	}
	return text
}

func read(t *testing.T, text string, given map[string][]string) (*agentFlags, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "agent.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	all := map[string][]string{"config": {file}}
	for name, values := range given {
		all[name] = values
	}
	return (&agentFlags{given: all}).again(&env{getenv: func(name string) string {
		return map[string]string{"RATE": "101", "STATES": "23"}[strings.TrimPrefix(name, "MAYFLY_AGENT_")]
	}}, nil)
}

// The example in docs/agent.md has each flag, as a key or in a comment, and can be read with and without these.
func TestAgentExample(t *testing.T) {
	text := example(t)
	f, err := read(t, text, map[string][]string{"states": {"29"}})
	if err != nil {
		t.Fatal(err)
	}
	if f.rate != 101 || f.states != 29 || len(f.chosen) < 2 || len(f.servers) != 1 {
		t.Errorf("rate %d, of a variable; states %d, of the command line; %d selections; %d servers", f.rate, f.states, len(f.chosen),
			len(f.servers))
	}
	f.all.VisitAll(func(flag *pflag.Flag) {
		if flag.Name != "config" && !regexp.MustCompile(`(?m)^(# )?`+flag.Name+`:`).MatchString(text) {
			t.Errorf("%s is not in the example", flag.Name)
		}
	})
	every := regexp.MustCompile(`(?m)^# ([a-z-]+:)`).ReplaceAllString(text, "$1")
	salt := filepath.Join(t.TempDir(), "salt")
	if err := os.WriteFile(salt, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := read(t, every, map[string][]string{"label-salt": {salt}, "pyroscope": {""}}); err != nil {
		t.Errorf("with what is in comments: %v", err)
	}
}

// Only threads that scan all the time need Ps of their own: few scans have none, and recordings of what is on a CPU do not scan.
func TestAgentPs(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(before)
	for states, want := range map[int]int{0: before, 19: before, 97: before + 49} {
		f := &agentFlags{states: states, rate: 97}
		a := newAgent(&env{getenv: func(string) string { return "" }}, f, new(store))
		fl := a.newFleet(t.Context())
		fl.count(50)
		if got := runtime.GOMAXPROCS(0); got != want {
			t.Errorf("%d scans: %d Ps for fifty processes, want %d", states, got, want)
		}
		fl.count(-50)
		a.idle.Stop()
	}
}
