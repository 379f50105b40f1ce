package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mayfly-profiler/mayfly/profiler"
	"github.com/mayfly-profiler/mayfly/profiler/inprocess"
)

// visible are the commands that people see.
func visible() (list []*cobra.Command) {
	root := rootCommand(&env{stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard, getenv: func(string) string { return "" }})
	for _, c := range root.Commands() {
		if !c.Hidden && c.Name() != "completion" && c.Name() != "help" {
			list = append(list, c)
		}
	}
	return list
}

// A flag of one name is the same flag on each command, where it may be repeated, too.
func TestFlagsMeanTheSame(t *testing.T) {
	type kind struct{ short, typ string }
	seen := map[string]kind{}
	for _, c := range visible() {
		c.Flags().VisitAll(func(f *pflag.Flag) {
			k := kind{f.Shorthand, strings.TrimSuffix(strings.TrimSuffix(f.Value.Type(), "func"), "Slice")}
			if old, ok := seen[f.Name]; ok && old != k && f.Name != "exact-requests" { // which takes a name in record only
				t.Errorf("%s --%s: %v, of another command %v", c.Name(), f.Name, k, old)
			}
			seen[f.Name] = k
		})
	}
}

// --json is on each command that has an answer, and the same as --format json where there are other formats.
func TestJSONFlag(t *testing.T) {
	for _, c := range visible() {
		asJSON, format := c.Flags().Lookup("json"), c.Flags().Lookup("format")
		formats := format != nil && strings.Contains(format.Usage, "json")
		switch {
		case c.Name() == "agent", c.Name() == "demo", c.Name() == "view": // what they write are profiles
		case asJSON == nil:
			t.Errorf("%s has no --json", c.Name())
		case formats != (asJSON.Usage == "the same as --format json"):
			t.Errorf("%s --json: %q", c.Name(), asJSON.Usage)
		}
	}
}

func TestFormatByExtension(t *testing.T) {
	for _, tt := range []struct{ output, format, want string }{
		{"-", "", "text"}, {"x", "", "text"}, {"x.html", "", "html"}, {"X.JSON", "", "json"}, {"x.pb.gz", "", "text"}, {"x.md", "html", "html"},
	} {
		f := resultFlags{output: tt.output, format: tt.format, formats: []string{"text", "markdown", "json", "html"}}
		if err := f.check(); err != nil || f.format != tt.want {
			t.Errorf("%+v: %q, %v", tt, f.format, err)
		}
	}
	f := resultFlags{command: "diff", output: "-", format: "xml", formats: []string{"text"}}
	if err := f.check(); exitCode(err) != codeUsage {
		t.Errorf("xml: %v", err)
	}
}

// --json=false asks for nothing.
func TestJSONFlagValue(t *testing.T) {
	for value, want := range map[string]string{"true": "json", "false": "", "1": "json", "maybe": ""} {
		var f resultFlags
		if err := f.setJSON(value); f.format != want || (err != nil) != (value == "maybe") {
			t.Errorf("--json=%s: format %q, %v", value, f.format, err)
		}
	}
}

// A default that is none is not shown.
func TestDefaultsInHelp(t *testing.T) {
	for _, c := range visible() {
		for line := range strings.Lines(c.Flags().FlagUsages()) {
			if strings.Contains(line, "(default 0)") || strings.Contains(line, "(default 0s)") || strings.Contains(line, "(default [])") {
				t.Errorf("%s: %s", c.Name(), line)
			}
		}
	}
}

// Numbers in the docs are those of the code.
func TestNumbersInDocs(t *testing.T) {
	percent := func(share float64) string { return fmt.Sprintf("%g %%", 100*share) }
	bench := benchCommand(&env{}).Flags()
	minutes, err := time.ParseDuration(bench.Lookup("time").DefValue)
	if err != nil {
		t.Fatal(err)
	}
	for file, texts := range map[string][]string{
		"README.md": {fmt.Sprintf("at %d Hz", profiler.DefaultRate), percent(profiler.DefaultMaxOverhead) + " of a core by default"},
		"docs/cost.md": {percent(profiler.DefaultMaxOverhead) + " of a core by default",
			percent(inprocess.DefaultShare) + " of the machine",
			fmt.Sprintf("`--memory-limit` (%d GiB by default)", profiler.DefaultMemoryLimit>>30),
			fmt.Sprintf("(%d MiB, and %d MiB for the rest of mayfly)", profiler.DefaultRingLimit>>20, ringBase>>20)},
		"docs/slow-requests.md": {fmt.Sprintf("up to %d,%03d calls", profiler.MaxCalls/1000, profiler.MaxCalls%1000)},
		"docs/engines.md":       {percent(inprocess.DefaultShare) + " of the machine's CPU time"},
		"docs/diff.md":          {fmt.Sprintf("until `--time` (%.0fm)", minutes.Minutes())},
	} {
		page, err := os.ReadFile(filepath.Join("..", "..", file))
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range texts {
			if !strings.Contains(strings.Join(strings.Fields(string(page)), " "), text) {
				t.Errorf("%s does not say %q", file, text)
			}
		}
	}
	if help := recordCommand(&env{}).Long; !strings.Contains(help, fmt.Sprintf("%d MiB of memory", ringBase>>20)) {
		t.Error("record --help does not say what a flight recorder needs beside --ring-limit")
	}
}
