package house

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Only programs print, exit and look at the environment: a library that does takes the decision
// from its caller. Imports cannot show it, since everybody imports os and fmt, so this reads the
// sources.

// unmannered are the names that libraries leave alone, by import path.
var unmannered = map[string][]string{
	"os":  {"Exit", "Stdout", "Stderr", "Stdin", "Args", "Getenv", "LookupEnv", "Environ", "ExpandEnv"},
	"fmt": {"Print", "Printf", "Println"},
}

// excused are files that may, and why.
var excused = map[string]string{
	"profiler/internal/self/self.go":       "a process that was started to be a helper is a program of its own",
	"profiler/internal/self/self_linux.go": "the variable that makes a helper of it is told by the process that started it",
}

func TestManners(t *testing.T) {
	root := filepath.Join("..", "..")
	files := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && skipped(d.Name()) {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		if rel, _ := filepath.Rel(root, path); excused[filepath.ToSlash(rel)] != "" {
			return nil
		}
		bad, err := lapses(path, src)
		for _, b := range bad {
			t.Error(b)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if files == 0 {
		t.Fatal("no source file was read")
	}
}

// skipped names the folders that are no part of the libraries: test programs, the package that
// starts them, and what git and editors keep.
func skipped(folder string) bool {
	return folder == "testdata" || folder == "target" || len(folder) > 2 && folder[0] == '.'
}

// lapses returns the lines of one source file that only a program may have.
func lapses(path string, src []byte) ([]string, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, path, src, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	names := map[string][]string{} // local package name -> forbidden names
	for _, imp := range file.Imports {
		importPath, err := strconv.Unquote(imp.Path.Value)
		if err != nil {
			return nil, err
		}
		local := importPath
		if imp.Name != nil {
			local = imp.Name.Name
		}
		names[local] = unmannered[importPath]
	}
	if file.Name.Name == "main" {
		return nil, nil
	}
	var bad []string
	ast.Inspect(file, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		x, ok := sel.X.(*ast.Ident)
		if !ok {
			return true
		}
		for _, name := range names[x.Name] {
			if sel.Sel.Name == name {
				bad = append(bad, fmt.Sprintf("%s: %s.%s: only programs may", fset.Position(sel.Pos()), x.Name, name))
			}
		}
		return true
	})
	return bad, nil
}

// TestLapses shows that TestManners can fail.
func TestLapses(t *testing.T) {
	tests := []struct {
		name, src string
		want      int
	}{
		{"quiet", "package p\nimport \"fmt\"\nvar s = fmt.Sprint(1)", 0},
		{"prints", "package p\nimport \"fmt\"\nfunc f() { fmt.Println(1) }", 1},
		{"under another name", "package p\nimport o \"os\"\nfunc f() { o.Exit(1); _ = o.Getenv(\"X\") }", 2},
		{"a program", "package main\nimport \"os\"\nfunc main() { os.Exit(1) }", 0},
	}
	for _, tt := range tests {
		bad, err := lapses("x.go", []byte(tt.src))
		if err != nil || len(bad) != tt.want {
			t.Errorf("%s: lapses = %q, %v, want %d", tt.name, bad, err, tt.want)
		}
	}
}
