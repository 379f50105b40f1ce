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
	source := filepath.Join("..", "..", "docs", "ci")
	text, err := os.ReadFile(filepath.Join(source, "mayfly-diff.yml"))
	ts.Check(err)
	var workflow struct {
		Jobs map[string]struct {
			Steps []struct{ Name, Run string }
		}
	}
	ts.Check(yaml.Unmarshal(text, &workflow))
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o755))
	for _, step := range workflow.Jobs["diff"].Steps {
		if step.Run != "" {
			ts.Check(os.WriteFile(filepath.Join(dir, step.Name+".sh"), []byte("set -e\n"+step.Run), 0o644))
		}
	}
	gate, err := os.ReadFile(filepath.Join(source, "perf-gate.sh"))
	ts.Check(err)
	ts.Check(os.WriteFile(filepath.Join(dir, "perf-gate.sh"), gate, 0o644))
}
