package house

import (
	"fmt"
	"slices"
	"strings"
)

// The way of the data is source -> sample -> fold -> profile -> export, diff, report. The
// rules keep that way one-directional: who observes a process does not know how addresses become
// names or files, and who reads profiles does not know that there was a process.

const module = "github.com/mayfly-profiler/mayfly"

// A pkg is one package of the project, as `go list` sees it without its tests.
type pkg struct {
	Path    string // relative to the module: "profiler/sample"
	Name    string
	Imports []string // ours relative to the module, with a leading "./"; others in full
}

// program says whether p is a command: those may print, exit and read flags.
func (p pkg) program() bool { return p.Name == "main" }

// testing says whether p exists for tests only.
func (p pkg) testing() bool { return slices.Contains(p.Imports, "testing") }

// A rule speaks about what the packages in who may reach, directly or through others of ours.
type rule struct {
	who  []string // a package or a folder: "export" is export and all below it, "export/." export alone
	free []string // may be reached whatever the rule says
	may  []string // if not nil, nothing else of ours may be reached
	must []string // of ours, never reached
	why  string
}

// contract is what the sources have in common.
const contract = "internal/source" + alone

// source is the rule of a source, by its folder.
func source(name string) rule {
	folder := "internal/source/" + name
	return rule{who: []string{folder}, may: []string{"profiler/sample", "internal/proc", "internal/goruntime", contract, folder},
		why: "a source knows samples, the process and the runtime's layout, and no more"}
}

var rules = []rule{
	{who: []string{"profiler/sample"}, may: []string{},
		why: "the vocabulary imports nothing of ours"},
	{who: []string{"profiler" + alone, "profiler/labels", "cmd"}, must: []string{"profiler/internal/self"},
		why: "only who imports profiler/inprocess can become a helper"},
	{who: []string{"profiler/summary"}, may: []string{"profiler/sample"},
		why: "what a recording is worth is part of its file, and no matter of who recorded it"},
	{who: []string{contract}, may: []string{}, why: "what sources share knows none of them"},
	source("bpf"), source("perf"), source("goroutine"),
	{who: []string{"internal/fold"}, may: []string{"profiler/sample", "symbolize", "internal/proc", "internal/goruntime/names"},
		why: "a profile is made of samples and symbols, whoever took them"},
	{who: []string{"internal/baseline"}, may: []string{"internal/samples", "internal/baseline"},
		why: "the profiles of others are read as all files are"},
	{who: []string{"internal/proc"}, may: []string{"internal/proc"},
		why: "a process is the bottom"},
	{who: []string{"internal/goruntime"}, may: []string{"internal/goruntime", "internal/proc", "profiler/sample"},
		why: "the runtime's layout is read from bytes"},
	{who: []string{"symbolize"}, may: []string{"symbolize", "internal/proc", "internal/goruntime/names"},
		why: "symbols know nothing of samples"},
	{who: []string{"internal/timeline"}, may: []string{"internal/timeline", "internal/frameworks", "internal/goruntime/names",
		"profiler/sample"},
		why: "a timeline is read from a profile, and judges nothing"},
	{who: []string{"internal/exectrace"}, may: []string{"internal/timeline", "internal/frameworks", "internal/goruntime/names",
		"profiler/sample"},
		why: "a trace becomes a timeline: that it is one is nobody else's business"},
	{who: []string{"internal/blame"}, may: []string{"internal/blame", "internal/timeline", "internal/frameworks", "internal/goruntime/names",
		"profiler/sample"},
		why: "blame follows a timeline: how a report ranks and says it comes after"},
	{who: []string{"export", "internal/diff", "internal/compare", "internal/flame", "internal/page", "internal/push", "internal/query",
		"internal/relabel", "internal/report", "internal/resource", "internal/top", "internal/watch", "internal/when"},
		free: []string{"internal/goruntime/names"},
		must: []string{"internal/proc", "internal/goruntime", "internal/source", "internal/fold", "internal/baseline", "symbolize"},
		why:  "what follows the profile sees profiles only"},
	{who: []string{"internal/render"}, may: []string{}, why: "how results are written knows none of them"},
	{who: []string{"internal/demo"}, may: []string{"internal/demo"},
		why: "the demo is a service like any other: it knows no profiler"},
	{who: []string{"profiler", "symbolize", "export", "internal"}, must: []string{"cmd"},
		why: "nothing imports a command"},
}

// only says which folders may import a foreign package (or those below it) directly.
var only = []struct {
	path string
	who  []string
	why  string
}{
	{"github.com/cilium/ebpf", []string{"internal/source/bpf"}, "one package talks to the kernel's eBPF"},
	{"golang.org/x/exp/trace", []string{"internal/exectrace", "internal/groundtruth"},
		"execution traces are read in one place, and by who checks it"},
	{"github.com/felixge/fgprof", []string{"internal/baseline"}, "other profilers are the baseline's business"},
	{"go.etcd.io/bbolt", []string{"internal/demo"}, "the store belongs to the demo"},
	{"gonum.org/v1/gonum", []string{"internal/bench", "internal/compare", "internal/diff"}, "statistics have their place"},
	{"go.yaml.in/yaml/v3", []string{"internal/diff", "internal/settings"}, "budgets and settings are the only YAML"},
	{"golang.org/x/perf", []string{"internal/work"}, "one package reads what go test says of benchmarks"},
	{"github.com/spf13/cobra", []string{"cmd"}, "only commands read flags"},
	{"github.com/spf13/pflag", []string{"cmd"}, "only commands read flags"},
	{"golang.org/x/term", []string{"cmd"}, "only commands know of terminals"},
	{"charm.land", []string{"cmd"}, "only commands know of terminals"},
}

// programsOnly are packages that libraries leave to programs.
var programsOnly = []string{"flag", "log", "log/slog"}

// violations returns one line for each broken rule, in the order of the packages.
func violations(pkgs []pkg) []string {
	byPath := make(map[string]pkg, len(pkgs))
	for _, p := range pkgs {
		byPath[p.Path] = p
	}
	var bad []string
	for _, p := range pkgs {
		reached := reach(byPath, p.Path)
		for _, r := range rules {
			if within(p.Path, r.who) {
				bad = append(bad, r.broken(p.Path, reached)...)
			}
		}
		bad = append(bad, foreign(p)...)
		bad = append(bad, testOnly(byPath, p)...)
	}
	return bad
}

func (r rule) broken(path string, reached []string) []string {
	var bad []string
	for _, to := range reached {
		if within(to, r.free) {
			continue
		}
		if r.may != nil && !within(to, r.may) || within(to, r.must) {
			bad = append(bad, fmt.Sprintf("%s reaches %s: %s", path, to, r.why))
		}
	}
	return bad
}

// foreign checks the direct imports of p that are not ours.
func foreign(p pkg) []string {
	var bad []string
	for _, imp := range p.Imports {
		for _, o := range only {
			if within(imp, []string{o.path}) && !within(p.Path, o.who) {
				bad = append(bad, fmt.Sprintf("%s imports %s: %s", p.Path, imp, o.why))
			}
		}
		if slices.Contains(programsOnly, imp) && !p.program() {
			bad = append(bad, fmt.Sprintf("%s imports %s: libraries read no flags and never log", p.Path, imp))
		}
	}
	return bad
}

// testOnly checks that what exists for tests is imported by tests only, which are not listed.
func testOnly(byPath map[string]pkg, p pkg) []string {
	var bad []string
	for _, imp := range p.Imports {
		if ours, ok := strings.CutPrefix(imp, "./"); ok && byPath[ours].testing() && !p.testing() {
			bad = append(bad, fmt.Sprintf("%s imports %s: that package is for tests", p.Path, ours))
		}
	}
	return bad
}

// reach returns the packages of ours that path imports, directly or not, sorted.
func reach(byPath map[string]pkg, path string) []string {
	seen := map[string]bool{}
	todo := []string{path}
	for len(todo) > 0 {
		p := byPath[todo[0]]
		todo = todo[1:]
		for _, imp := range p.Imports {
			if ours, ok := strings.CutPrefix(imp, "./"); ok && !seen[ours] {
				seen[ours] = true
				todo = append(todo, ours)
			}
		}
	}
	reached := make([]string, 0, len(seen))
	for p := range seen {
		reached = append(reached, p)
	}
	slices.Sort(reached)
	return reached
}

// within says whether path is one of the folders or lies below one.
// alone behind a package means it and nothing below it.
const alone = "/."

func within(path string, folders []string) bool {
	return slices.ContainsFunc(folders, func(f string) bool {
		return path == f || path+alone == f || strings.HasPrefix(path, f+"/")
	})
}
