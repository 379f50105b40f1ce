package target

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// Foreign builds the programs of testdata/foreign, a module of its own, all at once, so that they
// share what they import, and returns the executable of the one called name. It skips the test when
// the modules cannot be had, or with MAYFLY_REQUIRE_FOREIGN=1 fails it.
func Foreign(t testing.TB, name string) string {
	t.Helper()
	dir, err := foreign()
	NeedForeign(t, err)
	return filepath.Join(dir, name)
}

// ForeignServers builds the servers that testdata/foreign/servers requires, with a symbol table or
// without, and their load generators, and returns their folder.
func ForeignServers(t testing.TB, b Build) string {
	t.Helper()
	dir, err := foreignServers(b)
	NeedForeign(t, err)
	return dir
}

// Shapes builds testdata/shapes, a module of its own, and returns the executable.
func Shapes(t testing.TB) string {
	t.Helper()
	dir, err := shapes()
	NeedForeign(t, err)
	return filepath.Join(dir, "shapes")
}

// NeedForeign skips the test on an *UnavailableError, or with MAYFLY_REQUIRE_FOREIGN=1 fails it.
func NeedForeign(t testing.TB, err error) {
	t.Helper()
	if err != nil && os.Getenv("MAYFLY_REQUIRE_FOREIGN") == "1" {
		t.Fatal(err)
	}
	check(t, err)
}

var foreign = sync.OnceValues(func() (string, error) { return buildModule("foreign", Build{}, "./...") })

var shapes = sync.OnceValues(func() (string, error) { return buildModule("shapes", Build{}, ".") })

func foreignServers(b Build) (string, error) {
	return buildModule("foreign/servers", b, "tool", "./...")
}

// buildModule builds the packages of the module in the folder below testdata into one folder of the
// cache, and returns that.
func buildModule(module string, b Build, pkgs ...string) (string, error) {
	if runtime.GOOS != "linux" {
		return "", &UnavailableError{"linux", fmt.Errorf("targets are linux programs and the host is %s", runtime.GOOS)}
	}
	goVersion, err := toolchain("")
	if err != nil {
		return "", err
	}
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	src := filepath.Join(root, "testdata", module)
	sum, err := sourceHash(src)
	if err != nil {
		return "", err
	}
	family := fmt.Sprintf("%s-%s-%s", strings.ReplaceAll(module, "/", "-"), strings.ReplaceAll(goVersion, " ", "_"), b.mode())
	family = filepath.Join(cacheDir(), family)
	dir := fmt.Sprintf("%s-%x", family, sum[:8])
	unlock, err := lockFolder(dir)
	if err != nil {
		return "", err
	}
	defer unlock()
	bin := filepath.Join(dir, "bin")
	if _, err := os.Stat(bin); err == nil {
		return bin, nil
	}
	prune(family)
	tmp := filepath.Join(dir, "tmp") + string(filepath.Separator) // go build -o takes it for a folder
	if err := goBuildModule(src, tmp, b, pkgs); err != nil {
		return "", err
	}
	return bin, os.Rename(tmp, bin)
}

// lockFolder makes the folder and waits until no other test process builds into it.
func lockFolder(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("target: %w", err)
	}
	return lock(filepath.Join(dir, "lock"))
}

// goBuildModule downloads what the module requires first: what fails after that is the program's.
func goBuildModule(src, out string, b Build, pkgs []string) error {
	get := exec.Command("go", "mod", "download")
	get.Dir, get.Env = src, buildEnv(b)
	if text, err := get.CombinedOutput(); err != nil {
		return &UnavailableError{"module that " + filepath.Join(src, "go.mod") + " requires", fmt.Errorf("%w\n%s", err, text)}
	}
	args := buildArgs(b, "", out)
	cmd := exec.Command("go", append(args[:len(args)-1], pkgs...)...)
	cmd.Dir, cmd.Env = src, buildEnv(b)
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("target: build %s as %s: %w\n%s", src, b, err, text)
	}
	return nil
}
