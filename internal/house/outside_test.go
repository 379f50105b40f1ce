package house

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/mayfly-profiler/mayfly/internal/target"
)

// What is public is what compiles in somebody else's module. testdata/outside is such a module: small programs that import each
// public package and do with it what it is for, in mainLines lines at most.

const (
	outsideFolder = "testdata/outside"
	mainLines     = 15
)

// publicPackages are those that another module may import, by import path.
func publicPackages(t *testing.T) (paths []string) {
	t.Helper()
	for _, p := range list(t, "linux") {
		hidden := strings.Contains("/"+p.Path+"/", "/internal/") || strings.HasPrefix(p.Path, "cmd/") || strings.HasPrefix(p.Path, "testdata/")
		if !hidden && p.Path != "" && p.Name != "main" {
			paths = append(paths, module+"/"+p.Path)
		}
	}
	if len(paths) < 6 {
		t.Fatalf("public packages: %v", paths)
	}
	return paths
}

// private are the exported functions that only mayfly's own packages can call, and why they are exported.
var private = map[string]string{
	"symbolize.New": "Process for who has the process open: it must be the same one, and not another with its id",
}

// uncallable returns the exported functions of a source file that take what is internal.
func uncallable(path string, src any) (bad []string) {
	file, err := parser.ParseFile(token.NewFileSet(), path, src, parser.SkipObjectResolution)
	if err != nil {
		return []string{err.Error()}
	}
	internal := make(map[string]bool) // names of packages
	for _, i := range file.Imports {
		p, _ := strconv.Unquote(i.Path.Value)
		if strings.Contains(p, "/internal/") {
			internal[p[strings.LastIndexByte(p, '/')+1:]] = true
		}
	}
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || !f.Name.IsExported() || f.Recv != nil {
			continue
		}
		name := file.Name.Name + "." + f.Name.Name
		ast.Inspect(f.Type.Params, func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if x, ok := s.X.(*ast.Ident); ok && internal[x.Name] && private[name] == "" {
				bad = append(bad, fmt.Sprintf("%s: %s takes a %s.%s, which nobody outside has", path, name, x.Name, s.Sel.Name))
			}
			return true
		})
	}
	return bad
}

// TestCallable: what is exported by a public package can be called from outside.
func TestCallable(t *testing.T) {
	public := publicPackages(t)
	sources(t, func(path string, src []byte) {
		if !slices.Contains(public, module+"/"+path[:max(0, strings.LastIndexByte(path, '/'))]) {
			return
		}
		for _, b := range uncallable(path, src) {
			t.Error(b)
		}
	})
	const planted = "package p\nimport \"x/internal/proc\"\n" +
		"func Open(p *proc.Process) {}\nfunc open(p *proc.Process) {}\nfunc Close(p string) {}\n"
	if bad := uncallable("x.go", planted); len(bad) != 1 {
		t.Errorf("planted: %v", bad)
	}
}

// outside reads the programs: what they import of ours, and what is wrong with them.
func outside(t *testing.T, folder string) (imports, bad []string) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") {
			return err
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, i := range file.Imports {
			p, _ := strconv.Unquote(i.Path.Value)
			imports = append(imports, p)
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok {
				if n := set.Position(f.End()).Line - set.Position(f.Pos()).Line - 1; n > mainLines {
					bad = append(bad, fmt.Sprintf("%s: %s has %d lines, more than %d", path, f.Name, n, mainLines))
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return imports, bad
}

// buildOutside builds the programs in a module of their own, with the versions that ours requires, and returns where they are.
func buildOutside(t *testing.T, flags ...string) string {
	t.Helper()
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(outsideFolder)); err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	text := regexp.MustCompile(`(?m)^module .*$`).ReplaceAllString(string(mod), "module example.com/outside")
	text = regexp.MustCompile(`(?ms)^tool \(.*?^\)\n`).ReplaceAllString(text, "")
	for _, m := range []string{"", "/profiler/labels/rpc"} {
		text += fmt.Sprintf("\nrequire %s%s v0.0.0\n\nreplace %s%s => %s%s\n", module, m, module, m, root, m)
	}
	sum, err := os.ReadFile(filepath.Join(root, "go.sum"))
	check(t, err)
	more, err := os.ReadFile(filepath.Join(root, "profiler", "labels", "rpc", "go.sum"))
	check(t, err)
	sum = append(sum, more...)
	for name, b := range map[string][]byte{"go.mod": []byte(text), "go.sum": sum} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	bin := filepath.Join(dir, "bin") + string(filepath.Separator)
	cmd := exec.Command("go", append(append([]string{"build"}, flags...), "-o", bin, "./...")...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("a module that imports the public packages: %v\n%s", err, out)
	}
	return bin
}

func TestOutside(t *testing.T) {
	imports, bad := outside(t, outsideFolder)
	for _, b := range bad {
		t.Error(b)
	}
	for _, p := range publicPackages(t) {
		if !slices.Contains(imports, p) {
			t.Errorf("%s is public, and no program of %s uses it", p, outsideFolder)
		}
	}
	bin := buildOutside(t, "-ldflags=-s -w")
	run := func(stdin []byte, name string, args ...string) []byte {
		t.Helper()
		cmd := exec.Command(filepath.Join(bin, name), args...)
		cmd.Stdin = bytes.NewReader(stdin)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v: %s", name, err, stderr.Bytes())
		}
		return out
	}
	want := func(out []byte, text string) {
		t.Helper()
		if string(out) != text {
			t.Errorf("%q, want %q", out, text)
		}
	}
	want(run(nil, "self"), "true true\n")
	want(run(nil, "service"), "true\n")
	want(run(nil, "symbols", filepath.Join(bin, "symbols")), "true main.main true\n")
	want(run(nil, "addresses"), "main.main go\n")
	want(run([]byte(`{"engine.cpu":"ebpf","lost":7,"goroutines_seen":42,"output":"x"}`), "worth"), "ebpf 7 42\n")

	spin := fmt.Sprint(target.Start(t, target.Compile(t, "spin", target.Build{})).PID)
	profile := run(nil, "process", spin)
	want(run(profile, "schema"), "true true\n")
	if folded := run(profile, "folded"); !bytes.Contains(folded, []byte("main.")) {
		t.Errorf("folded: %.200q", folded)
	}
	want(run(nil, "stream", spin), strings.Repeat("true true\n", 3)+"true\n")
}
