package house

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/semver"
)

// What go.mod requires, every program that imports a package of ours has in its module graph, used or not: its own version of it
// is lifted to ours. So what services have (gRPC, drivers of databases) is not there, and what only tests need as little as can be.

// lifted are modules that go.mod may not have, also not indirectly, because services have them.
var lifted = []string{"google.golang.org/grpc", "google.golang.org/genproto", "github.com/jackc/pgx", "github.com/go-sql-driver",
	"github.com/redis"}

// onlyTests are the modules that go.mod has for tests alone: nobody else is known to build on them.
var onlyTests = []string{
	"github.com/chromedp/cdproto", "github.com/chromedp/chromedp", // pages in a browser
	"github.com/rogpeppe/go-internal",                       // scripts of the command line
	"github.com/yuin/goldmark",                              // a judge of Markdown
	"go.opentelemetry.io/proto/otlp/profiles/v1development", // a reader of what export writes
	"golang.org/x/mod",                                      // this test
}

// requirements are the lines of a go.mod.
func requirements(t *testing.T, path string) *modfile.File {
	t.Helper()
	text, err := os.ReadFile(path)
	check(t, err)
	f, err := modfile.Parse(path, text, nil)
	check(t, err)
	return f
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// misrequired says what is wrong with a go.mod, if the command and the public packages import from these modules.
func misrequired(f *modfile.File, used map[string]bool) (bad []string) {
	for _, r := range f.Require {
		path := r.Mod.Path
		for _, l := range lifted {
			if path == l || strings.HasPrefix(path, l+"/") {
				bad = append(bad, path+": services that import ours get this version of it")
			}
		}
		if !r.Indirect && used[path] == slices.Contains(onlyTests, path) {
			bad = append(bad, path+": only tests need it, and it is not in the list; or the other way round")
		}
	}
	return bad
}

func TestRequirements(t *testing.T) {
	f := requirements(t, filepath.Join("..", "..", "go.mod"))
	used := make(map[string]bool)
	for _, goos := range []string{"linux", "darwin"} {
		cmd := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}",
			module+"/cmd/...", module+"/profiler/...", module+"/symbolize/...", module+"/export/...")
		cmd.Env = append(os.Environ(), "GOOS="+goos, "CGO_ENABLED=0", "GOFLAGS=")
		out, err := cmd.Output()
		check(t, err)
		for _, path := range strings.Fields(string(out)) {
			used[path] = true
		}
	}
	for _, bad := range misrequired(f, used) {
		t.Error(bad)
	}
}

// TestMisrequired shows that the rule can be broken.
func TestMisrequired(t *testing.T) {
	const planted = "module x\ngo 1.26.0\nrequire (\nexample.com/a v1.0.0\nexample.com/b v1.0.0\ngolang.org/x/mod v0.1.0\n" +
		"google.golang.org/grpc v1.85.0 // indirect\nexample.com/c v1.0.0 // indirect\n)\n"
	f, err := modfile.Parse("go.mod", []byte(planted), nil)
	check(t, err)
	if bad := misrequired(f, map[string]bool{"example.com/a": true}); len(bad) != 2 {
		t.Errorf("%q: want example.com/b and gRPC", bad)
	}
}

// TestOldestGo: the release in go.mod is the oldest one that the modules allow which it requires, and that of the module for gRPC
// is the same.
func TestOldestGo(t *testing.T) {
	f := requirements(t, filepath.Join("..", "..", "go.mod"))
	args := []string{"list", "-m", "-json"}
	for _, r := range f.Require {
		if !r.Indirect {
			args = append(args, r.Mod.Path)
		}
	}
	out, err := exec.Command("go", args...).Output()
	check(t, err)
	oldest, by := "1.0", ""
	for dec := json.NewDecoder(strings.NewReader(string(out))); dec.More(); {
		var m struct{ Path, GoVersion string }
		check(t, dec.Decode(&m))
		if semver.Compare("v"+m.GoVersion, "v"+oldest) > 0 {
			oldest, by = m.GoVersion, m.Path
		}
	}
	if f.Go.Version != oldest {
		t.Errorf("go %s in go.mod: %s wants %s, and no module more", f.Go.Version, by, oldest)
	}
	rpc := requirements(t, filepath.Join("..", "..", "profiler", "labels", "rpc", "go.mod"))
	if rpc.Go.Version != f.Go.Version {
		t.Errorf("go %s in the module for gRPC, %s in ours", rpc.Go.Version, f.Go.Version)
	}
}
