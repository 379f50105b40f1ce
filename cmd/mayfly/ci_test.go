package main

import (
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/testscript"
	"go.yaml.in/yaml/v3"
)

// steps DIR copies the examples of docs/ci to DIR, with the shell steps of the workflow as files:
// DIR/compare.sh is what the step "compare" runs, in the way that GitHub runs it.
func steps(ts *testscript.TestScript, neg bool, args []string) {
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o755))
	all, err := workflow()
	ts.Check(err)
	for name, run := range all {
		ts.Check(os.WriteFile(filepath.Join(dir, name+".sh"), []byte(run), 0o644))
	}
	gate, err := os.ReadFile(filepath.Join(ciExamples, "perf-gate.sh"))
	ts.Check(err)
	ts.Check(os.WriteFile(filepath.Join(dir, "perf-gate.sh"), gate, 0o644))
}

var ciExamples = filepath.Join("..", "..", "docs", "ci")

// workflow is the shell steps of docs/ci's workflow by name, in the way that GitHub runs them.
func workflow() (map[string]string, error) {
	text, err := os.ReadFile(filepath.Join(ciExamples, "mayfly-diff.yml"))
	if err != nil {
		return nil, err
	}
	var w struct {
		Jobs map[string]struct {
			Steps []struct{ Name, Run string }
		}
	}
	if err := yaml.Unmarshal(text, &w); err != nil {
		return nil, err
	}
	all := make(map[string]string)
	for _, step := range w.Jobs["diff"].Steps {
		if step.Run != "" {
			all[step.Name] = "set -e\n" + step.Run
		}
	}
	return all, nil
}
