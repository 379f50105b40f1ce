package frameworks

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/mayfly-profiler/mayfly/internal/goruntime/names"
)

// TestTable looks for each function in the sources of the version that its row names, where the module
// cache has them.
func TestTable(t *testing.T) {
	cache := goEnv(t, "GOMODCACHE")
	known := map[string][]string{} // functions by folder
	checked := 0
	for _, e := range All() {
		for _, f := range []string{e.Function, e.By} {
			dir := sources(t, cache, e, start(f))
			if f == "" || dir == "" {
				continue
			}
			if known[dir] == nil {
				known[dir] = functions(t, dir, start(f))
			}
			checked++
			if !exists(known[dir], f) {
				t.Errorf("%s: not in %s@%s", f, e.Module, e.Version)
			}
		}
	}
	if checked < 20 {
		t.Errorf("%d functions checked: the standard library's are always there", checked)
	}
	t.Logf("%d functions checked", checked)
}

func exists(known []string, f string) bool {
	f, _, _ = strings.Cut(f, ".func") // of a closure its function
	for _, k := range known {
		if names.Match(k, []string{f}) {
			return true
		}
	}
	return false
}

func goEnv(t *testing.T, key string) string {
	t.Helper()
	out, err := exec.Command("go", "env", key).Output()
	if err != nil {
		t.Fatalf("go env %s: %v", key, err)
	}
	return strings.TrimSpace(string(out))
}

// sources is the folder of a package in the version of the row, "" if it is not on this machine.
func sources(t *testing.T, cache string, e Entry, pkg string) string {
	t.Helper()
	if e.Module == std {
		root := goEnv(t, "GOROOT")
		if e.Version != runtime.Version() {
			root = filepath.Join(cache, "golang.org", "toolchain@v0.0.1-"+e.Version+"."+runtime.GOOS+"-"+runtime.GOARCH)
		}
		return present(filepath.Join(root, "src", pkg))
	}
	dir := filepath.Join(cache, filepath.FromSlash(e.Module)+"@"+e.Version)
	return present(filepath.Join(dir, strings.TrimPrefix(pkg, e.Module)))
}

func present(dir string) string {
	if _, err := os.Stat(dir); err != nil {
		return ""
	}
	return dir
}

// functions are those that a folder declares, as a stack spells them.
func functions(t *testing.T, dir, pkg string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok {
				list = append(list, pkg+"."+receiver(fn)+fn.Name.Name)
			}
		}
	}
	return list
}

func receiver(fn *ast.FuncDecl) string {
	if fn.Recv == nil {
		return ""
	}
	switch t := fn.Recv.List[0].Type.(type) {
	case *ast.StarExpr:
		return "(*" + typeName(t.X) + ")."
	default:
		return typeName(t) + "."
	}
}

func typeName(e ast.Expr) string {
	switch t := e.(type) {
	case *ast.Ident:
		return t.Name
	case *ast.IndexExpr:
		return typeName(t.X)
	case *ast.IndexListExpr:
		return typeName(t.X)
	}
	return ""
}

func TestOf(t *testing.T) {
	for f, want := range map[string]Role{
		"golang.org/x/time/rate.(*Limiter).WaitN":                        Rate,
		"github.com/jackc/puddle/v2.(*Pool[go.shape.*uint8]).Acquire":    Pool,
		"github.com/jackc/puddle/v2.(*Pool[go.shape.struct{x[2]int}]).x": None,
		"net/http.(*http2ClientConn).RoundTrip":                          Replies,
		"net/http.(*http2ClientConn).awaitOpenSlotForStreamLocked":       Limit,
		"net/http.(*conn).serve":                                         Serves,
		"net/http.(*conn).server":                                        None,
		"main.main":                                                      None,
		"broken[":                                                        None,
		"":                                                               None,
	} {
		if got := Of(f); got.Role != want {
			t.Errorf("%s: role %d, want %d", f, got.Role, want)
		}
	}
	if !names.Match("database/sql.(*DB).conn", Functions(Pool, Limit)) || names.Match("main.x", Functions(Pool)) {
		t.Error("Functions does not list the pools")
	}
}
