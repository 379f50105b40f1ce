package house

import (
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Who reads the public packages at pkg.go.dev finds a sentence at every exported name, and a program that runs at every entry: an
// exported function that is no method.

// shown are the functions whose use another's example has, by what that is.
var shown = map[string]string{
	"inprocess.HandlerWith": "Handler", "profiler.NewRing": "Ring",
	"profiler.Engines": "ParseEngine", "sample.FormatObjects": "ParseObjects", "export.Formats": "ByName",
	"symbolize.New": "Process", "symbolize.OpenAhead": "Process",
}

// undocumented returns what a package exports without a doc comment, and its entries without an example that says what it prints.
func undocumented(files []*ast.File, set *token.FileSet) (bad []string, err error) {
	p, err := doc.NewFromFiles(set, files, "x", doc.PreserveAST)
	if err != nil {
		return nil, err
	}
	say := func(name, text string) {
		if strings.TrimSpace(text) == "" {
			bad = append(bad, fmt.Sprintf("%s.%s has no doc comment", p.Name, name))
		}
	}
	say("package", p.Doc)
	values := append(slices.Clone(p.Consts), p.Vars...)
	funcs := slices.Clone(p.Funcs)
	examples := slices.Clone(p.Examples)
	for _, t := range p.Types {
		say(t.Name, t.Doc)
		values = append(append(values, t.Consts...), t.Vars...)
		funcs = append(funcs, t.Funcs...)
		examples = append(examples, t.Examples...)
		for _, m := range t.Methods {
			if m.Name != "Error" && m.Name != "Unwrap" && m.Name != "String" && m.Level == 0 { // which say all by their names
				say(t.Name+"."+m.Name, m.Doc)
			}
			examples = append(examples, m.Examples...)
		}
	}
	for _, v := range values {
		bad = append(bad, unsaid(p.Name, v)...)
	}
	for _, f := range funcs {
		say(f.Name, f.Doc)
		all := slices.Concat(f.Examples, examples)
		ok := slices.ContainsFunc(all, func(e *doc.Example) bool {
			return e.Name == f.Name && (e.Output != "" || e.EmptyOutput)
		})
		if _, elsewhere := shown[p.Name+"."+f.Name]; !ok && !elsewhere {
			bad = append(bad, fmt.Sprintf("%s.%s has no example with its output", p.Name, f.Name))
		}
	}
	return bad, nil
}

// unsaid returns the constants or variables of a group that have neither a comment of their own nor one of the group.
func unsaid(pkg string, v *doc.Value) (bad []string) {
	if v.Doc != "" {
		return nil
	}
	for _, s := range v.Decl.Specs {
		if s := s.(*ast.ValueSpec); s.Doc == nil && s.Comment == nil && s.Names[0].IsExported() {
			bad = append(bad, fmt.Sprintf("%s.%s has no doc comment", pkg, s.Names[0].Name))
		}
	}
	return bad
}

func TestPublicIsDocumented(t *testing.T) {
	for _, path := range append(publicPackages(t), module+"/profiler/labels/rpc", module+"/profiler/labels/otel") {
		dir := filepath.Join("..", "..", filepath.FromSlash(strings.TrimPrefix(path, module+"/")))
		set := token.NewFileSet()
		var files []*ast.File
		names, err := filepath.Glob(filepath.Join(dir, "*.go"))
		check(t, err)
		for _, name := range names {
			src, err := os.ReadFile(name)
			check(t, err)
			if strings.HasSuffix(name, "_other.go") || strings.HasSuffix(name, "_notlinux.go") { // the same names, documented where the code is
				continue
			}
			f, err := parser.ParseFile(set, name, src, parser.ParseComments)
			check(t, err)
			files = append(files, f)
		}
		bad, err := undocumented(files, set)
		check(t, err)
		for _, b := range bad {
			t.Error(b)
		}
	}
}

// TestUndocumented shows that the rule can be broken.
func TestUndocumented(t *testing.T) {
	const planted = "// Package p.\npackage p\n\nconst A = 1\n\n// T is.\ntype T struct{}\n\nfunc (T) M() {}\n\nfunc F() {}\n\n" +
		"// G is.\nfunc G() {}\n\n// NewT makes.\nfunc NewT() T { return T{} }\n"
	const examples = "package p_test\n\nfunc ExampleG() {\n\tprintln()\n\t// Output: x\n}\n\nfunc ExampleNewT() {\n}\n"
	set := token.NewFileSet()
	var files []*ast.File
	for name, src := range map[string]string{"p.go": planted, "p_test.go": examples} {
		f, err := parser.ParseFile(set, name, src, parser.ParseComments)
		check(t, err)
		files = append(files, f)
	}
	bad, err := undocumented(files, set)
	check(t, err)
	slices.Sort(bad)
	want := []string{"p.A has no doc comment", "p.F has no doc comment", "p.F has no example with its output",
		"p.NewT has no example with its output", "p.T.M has no doc comment"}
	if !slices.Equal(bad, want) {
		t.Errorf("%q, want %q", bad, want)
	}
}
