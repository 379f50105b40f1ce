package house

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
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
	sources(t, func(path string, src []byte) {
		if excused[path] != "" || strings.HasPrefix(path, "internal/target/") { // which starts test programs
			return
		}
		bad, err := lapses(path, src)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range bad {
			t.Error(b)
		}
	})
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
