package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// CONTRIBUTING.md names every flag of a test and every variable that the code reads, or nobody but their author
// would know them.

var (
	variableName = regexp.MustCompile(`MAYFLY_[A-Z][A-Z_]*[A-Z]`)
	knob         = regexp.MustCompile("`(-[a-z][a-z.]*|MAYFLY_[A-Z_]*[A-Z])(?:=[A-Za-z0-9]+)?`")
)

// knobs returns the variables that a file of ours names and, of a test, the flags that it defines.
func knobs(path string, src any) ([]string, error) {
	file, err := parser.ParseFile(token.NewFileSet(), path, src, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	found := map[string]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BasicLit:
			for _, name := range variableName.FindAllString(n.Value, -1) {
				found[name] = true
			}
		case *ast.CallExpr:
			if name := definedFlag(n); name != "" && strings.HasSuffix(path, "_test.go") {
				found["-"+name] = true
			}
		}
		return true
	})
	return slices.Sorted(maps.Keys(found)), nil
}

// definedFlag is the name of the flag that a call of package flag defines, or "".
func definedFlag(call *ast.CallExpr) string {
	f, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || len(call.Args) < 3 {
		return ""
	}
	if x, ok := f.X.(*ast.Ident); !ok || x.Name != "flag" {
		return ""
	}
	for _, arg := range call.Args[:2] { // flag.Int(name, ...), flag.IntVar(&v, name, ...)
		if lit, ok := arg.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			name, _ := strconv.Unquote(lit.Value)
			return name
		}
	}
	return ""
}

func TestContributingNamesKnobs(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "CONTRIBUTING.md"))
	if err != nil {
		t.Fatal(err)
	}
	named, used := map[string]bool{}, map[string]bool{}
	for _, m := range knob.FindAllStringSubmatch(string(page), -1) {
		named[m[1]] = true
	}
	files(t, ".go", func(path string, src []byte) {
		if strings.HasPrefix(path, "internal/house/") || inTestdata(path) {
			return
		}
		list, err := knobs(path, src)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range list {
			if used[name] = true; !named[name] {
				t.Errorf("%s: %s is not in CONTRIBUTING.md", path, name)
			}
		}
	})
	for _, name := range slices.Sorted(maps.Keys(named)) {
		if !used[name] {
			t.Errorf("CONTRIBUTING.md: nothing has %s", name)
		}
	}
}

// TestKnobs shows that TestContributingNamesKnobs can fail.
func TestKnobs(t *testing.T) {
	const src = `package p
var a = flag.Int("x.runs", 3, "")
func init() { flag.BoolVar(&b, "long", false, ""); os.Getenv("MAYFLY_AB"); fmt.Print("no", 1, 2) }`
	for path, want := range map[string][]string{"p_test.go": {"-long", "-x.runs", "MAYFLY_AB"}, "p.go": {"MAYFLY_AB"}} {
		if got, err := knobs(path, src); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: knobs = %q, %v, want %q", path, got, err, want)
		}
	}
}
