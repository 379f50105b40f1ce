package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mayfly-profiler/mayfly/internal/target"
)

// names are some of what the commands link, with a part of the notice's line.
var names = map[string][]string{
	"mayfly": {"github.com/cilium/ebpf\n", "The Go standard library", "github.com/inconshreveable/mousetrap\n", "elastic/go-seccomp-bpf\n"},
	"kubectl-mayfly": {"k8s.io/client-go\n", "The Go standard library", "github.com/inconshreveable/mousetrap\n",
		"github.com/gorilla/websocket\n"},
}

// TestNotices: who gets a binary gets the licences of what is in it now.
func TestNotices(t *testing.T) {
	const root = "../../.."
	for _, c := range commands {
		t.Run(c.name, func(t *testing.T) {
			if c.module != "." {
				needModules(t, filepath.Join(root, c.module))
			}
			want, err := c.notices(root)
			if err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(c.file(root))
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != string(want) {
				t.Errorf("%s is not that of go.mod: run go generate ./internal/house and commit it", c.file(root))
			}
			for _, name := range names[c.name] {
				if !strings.Contains(string(got), name) {
					t.Errorf("nothing of %s", strings.TrimSpace(name))
				}
			}
		})
	}
}

// needModules skips the test where what another module requires cannot be had.
func needModules(t *testing.T, dir string) {
	t.Helper()
	cmd := exec.Command("go", "mod", "download")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		target.NeedForeign(t, &target.UnavailableError{What: dir, Err: fmt.Errorf("%w\n%s", err, out)})
	}
}
