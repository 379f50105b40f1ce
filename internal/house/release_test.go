package house

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// What a Go release can change stands in one package, internal/goruntime: offsets, statuses, names
// of the runtime's functions. What functions of the standard library do for a request is in
// internal/frameworks, whose rows name the release. Elsewhere nothing compares a release and nothing names a function of
// the runtime or the standard library.

// runtimeName is a whole function of the runtime, or of a package of the standard library that moves.
var runtimeName = regexp.MustCompile(`^(runtime|sync|os|net|net/http|internal/[a-z/]+|testing|syscall|database/sql)` +
	`\.(\([*]?\w+\)\.\w*|\w+\.?)$`)

// texts are words of people and of the runtime that look like one: wait reasons, help.
var texts = regexp.MustCompile(`^(sync\.(Mutex\.Lock|RWMutex\.(Lock|RLock)|WaitGroup\.Wait|Cond\.Wait))$`)

// releases finds what is only true for some Go releases in a file of ours.
func releases(path string, src any) []string {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, src, 0)
	if err != nil {
		return []string{err.Error()}
	}
	var bad []string
	report := func(n ast.Node, what string) {
		bad = append(bad, fmt.Sprintf("%s: %s belongs to internal/goruntime", set.Position(n.Pos()), what))
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ImportSpec, *ast.Field:
			_, isField := n.(*ast.Field)
			return isField
		case *ast.BinaryExpr:
			for _, side := range []ast.Expr{n.X, n.Y} {
				if s, ok := side.(*ast.SelectorExpr); ok && s.Sel.Name == "Minor" {
					report(n, "a comparison of Go releases")
				}
			}
		case *ast.BasicLit:
			text, err := strconv.Unquote(n.Value)
			if n.Kind == token.STRING && err == nil && runtimeName.MatchString(text) && !texts.MatchString(text) {
				report(n, n.Value)
			}
		}
		return true
	})
	return bad
}

func TestReleases(t *testing.T) {
	sources(t, func(path string, src []byte) {
		known := strings.HasPrefix(path, "internal/goruntime/") || strings.HasPrefix(path, "internal/frameworks/")
		if known || forTests(filepath.Join("..", "..", filepath.Dir(path))) {
			return
		}
		for _, bad := range releases(path, src) {
			t.Error(bad)
		}
	})
}

// forTests says whether a folder's package exists for tests only: it imports testing.
func forTests(dir string) bool {
	files, _ := filepath.Glob(filepath.Join(dir, "*.go"))
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err == nil && !strings.HasSuffix(f, "_test.go") && strings.Contains(string(src), "\t\"testing\"\n") {
			return true
		}
	}
	return filepath.Base(dir) == "groundtruth" || filepath.Base(dir) == "demo"
}

// TestReleaseLapses shows that the rule can be broken.
func TestReleaseLapses(t *testing.T) {
	for name, body := range map[string]string{
		"comparison": "var x = l.Minor >= 26",
		"function":   `var x = "runtime.mallocgc"`,
		"method":     `var x = "net/http.(*conn).serve"`,
		"prefix":     `var x = "os.(*File)."`,
	} {
		if len(releases("x.go", "package x\n"+body)) == 0 {
			t.Errorf("%s: not found", name)
		}
	}
	for _, body := range []string{`var x = "sync.Mutex.Lock"`, `var x = "runtime"`, `import "net/http"`, `var x = "the runtime. Then"`} {
		if bad := releases("x.go", "package x\n"+body); len(bad) > 0 {
			t.Errorf("%s: %v", body, bad)
		}
	}
}
