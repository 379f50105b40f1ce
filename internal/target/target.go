// Package target builds and starts the programs under testdata, for tests only.
//
// A profiler is tested against programs whose answer is known, built the ways that programs are
// built in the field: by old and new toolchains, position independent, linked with C, stripped.
// A build takes seconds and a test run needs dozens, so executables are kept in the user's cache
// folder, keyed by everything that decides what is in them.
package target

import (
	"crypto/sha256"
	"fmt"
	"go/version"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// Build says how to build a program. The zero value is a plain `go build` by the toolchain that
// runs the tests, without C, for linux on this machine's architecture.
type Build struct {
	Go     string // "" for the local toolchain, else a version without "go": "1.23.12"
	PIE    bool   // -buildmode=pie
	CGO    bool   // C code linked in, by the system's linker (-linkmode=external)
	Strip  bool   // -ldflags="-s -w": no symbol table, no DWARF
	GOARCH string // "" for this machine's

	Mode    string // another -buildmode: "c-shared", "c-archive", "plugin"; needs CGO
	Race    bool   // -race: needs CGO
	ASan    bool   // -asan: needs CGO
	Env     string // more environment of the go command, space-separated: "GOEXPERIMENT=jsonv2 GOAMD64=v3"
	GCFlags string // compiler flags, e.g. "all=-d=checkptr"
	LDFlags string // more linker flags, e.g. "-checklinkname=0"
	Tags    string // build tags, comma-separated
	Module  bool   // by this module's own go.mod, for programs that import other modules: local toolchain only
}

// String names the build for subtests and file names: "go1.23.12-amd64-pie-cgo-strip".
func (b Build) String() string {
	if b.Go == "" {
		return "local-" + b.mode()
	}
	return "go" + b.Go + "-" + b.mode()
}

func (b Build) mode() string {
	name := b.arch()
	if b == (Build{Go: b.Go, GOARCH: b.GOARCH}) {
		return name + "-plain"
	}
	for _, part := range []struct {
		on   bool
		name string
	}{{b.PIE, "pie"}, {b.CGO, "cgo"}, {b.Strip, "strip"}, {b.Race, "race"}, {b.ASan, "asan"}} {
		if part.on {
			name += "-" + part.name
		}
	}
	for _, part := range []struct{ flags, name string }{{b.LDFlags, "ld"}, {b.GCFlags, "gc"}, {b.Env, "env"}} {
		if part.flags != "" {
			sum := sha256.Sum256([]byte(part.flags))
			name += fmt.Sprintf("-%s%x", part.name, sum[:4])
		}
	}
	for _, part := range [2]string{b.Mode, b.Tags} {
		if part != "" {
			name += "-" + part
		}
	}
	if b.Module {
		name += "-module"
	}
	return name
}

func (b Build) arch() string {
	if b.GOARCH != "" {
		return b.GOARCH
	}
	return runtime.GOARCH
}

// UnavailableError says that this machine lacks what a build or a start needs: a toolchain that
// could not be downloaded, a C compiler, the right operating system. It is the only reason for
// which this package skips a test.
type UnavailableError struct {
	What string
	Err  error
}

func (e *UnavailableError) Error() string { return fmt.Sprintf("target: no %s: %v", e.What, e.Err) }
func (e *UnavailableError) Unwrap() error { return e.Err }

// Compile builds the program in the folder dir below testdata and returns the executable's path,
// which stays valid after the test and must not be written to. It skips the test when the
// toolchain or the C compiler cannot be had and fails it when the program does not build.
func Compile(t testing.TB, dir string, b Build) string {
	t.Helper()
	exe, err := compileOnce(dir, b)
	check(t, err)
	return exe
}

var compiled sync.Map // dir + Build -> func() (string, error)

func compileOnce(dir string, b Build) (string, error) {
	build, _ := compiled.LoadOrStore(fmt.Sprintf("%s %#v", dir, b), sync.OnceValues(func() (string, error) {
		return compile(dir, b)
	}))
	return build.(func() (string, error))()
}

func compile(dir string, b Build) (string, error) {
	if built := os.Getenv("MAYFLY_TARGETS"); built != "" {
		return prebuilt(built, dir, b)
	}
	goVersion, err := toolchain(b.Go)
	if err != nil {
		return "", err
	}
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	src := filepath.Join(root, "testdata", dir)
	sources := []string{src, filepath.Join(root, "testdata", "run")}
	if b.Module {
		sources = append(sources, filepath.Join(root, "go.sum"))
		for _, dir := range []string{"profiler", "symbolize", "export", "internal"} { // which it may import
			sources = append(sources, filepath.Join(root, dir))
		}
	}
	sum, err := sourceHash(sources...)
	if err != nil {
		return "", err
	}
	family := filepath.Join(cacheDir(), fmt.Sprintf("%s-%s-%s", dir, strings.ReplaceAll(goVersion, " ", "_"), b.mode()))
	exe := filepath.Join(fmt.Sprintf("%s-%x", family, sum[:8]), filepath.Base(dir))
	if _, err := os.Stat(exe); err == nil {
		return exe, nil
	}
	prune(family)
	return exe, build(src, exe, goVersion, b)
}

// prebuilt finds an executable that was built elsewhere, as built/BUILD/PROGRAM: for machines without a toolchain.
func prebuilt(built, dir string, b Build) (string, error) {
	exe := filepath.Join(built, b.String(), filepath.Base(dir))
	if _, err := os.Stat(exe); err != nil {
		return "", &UnavailableError{dir + " built as " + b.String(), err}
	}
	return exe, nil
}

// build builds exe unless another test process has built it meanwhile: it would be wasteful to
// build it twice, and a running program must not lose its file to a second build.
func build(src, exe, goVersion string, b Build) error {
	work := filepath.Dir(exe)
	if err := os.MkdirAll(work, 0o755); err != nil {
		return fmt.Errorf("target: %w", err)
	}
	unlock, err := lock(filepath.Join(work, "lock"))
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := os.Stat(exe); err == nil {
		return nil
	}
	tmp := exe + ".tmp"
	if err := goBuild(src, tmp, goVersion, b); err != nil {
		return err
	}
	return os.Rename(tmp, exe)
}

// goBuild runs the go command in the program's folder. The module's own go.mod asks for a Go that
// old toolchains are not, so a go.mod of the same module with the toolchain's own version stands
// in for it, unless the program needs what the module requires; the paths in the executable remain
// those of the sources.
func goBuild(src, out, goVersion string, b Build) error {
	mod, err := modFile(out, goVersion, b)
	if err != nil {
		return err
	}
	cmd := exec.Command("go", buildArgs(b, mod, out)...)
	cmd.Dir, cmd.Env = src, buildEnv(b)
	if b.CGO {
		if err := cCompiler(cmd); err != nil {
			return err
		}
	}
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("target: build %s as %s: %w\n%s", src, b, err, text)
	}
	return nil
}

// modFile writes the go.mod that stands in for the module's; "" is the module's own.
func modFile(out, goVersion string, b Build) (string, error) {
	if b.Module {
		return "", nil
	}
	mod := filepath.Join(filepath.Dir(out), "go.mod")
	text := fmt.Sprintf("module github.com/mayfly-profiler/mayfly\n\ngo %s\n", strings.TrimPrefix(version.Lang(goVersion), "go"))
	if err := os.WriteFile(mod, []byte(text), 0o644); err != nil {
		return "", fmt.Errorf("target: %w", err)
	}
	return mod, nil
}

func buildArgs(b Build, mod, out string) []string {
	ld := []string{}
	if b.Strip {
		ld = append(ld, "-s", "-w")
	}
	if b.CGO {
		ld = append(ld, "-linkmode=external")
	}
	if b.LDFlags != "" {
		ld = append(ld, b.LDFlags)
	}
	args := []string{"build", "-buildvcs=false", "-o", out, "-ldflags=" + strings.Join(ld, " "), "-tags=" + b.Tags}
	if mod != "" {
		args = append(args, "-modfile="+mod)
	}
	if b.PIE {
		args = append(args, "-buildmode=pie")
	}
	if b.Mode != "" {
		args = append(args, "-buildmode="+b.Mode)
	}
	if b.Race {
		args = append(args, "-race")
	}
	if b.ASan {
		args = append(args, "-asan")
	}
	if b.GCFlags != "" {
		args = append(args, "-gcflags="+b.GCFlags)
	}
	return append(args, ".")
}

func buildEnv(b Build) []string {
	cgo := "0"
	if b.CGO {
		cgo = "1"
	}
	env := append(os.Environ(), "GOTOOLCHAIN=local", "GOROOT=", "GOFLAGS=", "GOWORK=off", "GO111MODULE=on",
		"GOOS=linux", "GOARCH="+b.arch(), "CGO_ENABLED="+cgo)
	if b.Go != "" {
		env = append(env, "GOTOOLCHAIN=go"+b.Go)
	}
	return append(env, strings.Fields(b.Env)...)
}

// cCompiler finds the C compiler that the go command in cmd would use.
func cCompiler(cmd *exec.Cmd) error {
	if runtime.GOOS != "linux" {
		return &UnavailableError{"C compiler for linux", fmt.Errorf("the host is %s", runtime.GOOS)}
	}
	env := exec.Command("go", "env", "CC", "GOHOSTARCH", "GOARCH")
	env.Dir, env.Env = cmd.Dir, cmd.Env
	out, err := env.Output()
	lines := strings.Fields(string(out))
	if err != nil || len(lines) < 3 {
		return fmt.Errorf("target: go env CC: %q, %v", out, err)
	}
	cc, host, arch := lines[0], lines[len(lines)-2], lines[len(lines)-1]
	if host != arch && os.Getenv("CC") == "" {
		cc = map[string]string{"arm64": "aarch64", "amd64": "x86_64"}[arch] + "-linux-gnu-gcc"
		cmd.Env = append(cmd.Env, "CC="+cc)
	}
	if _, err := exec.LookPath(cc); err != nil {
		return &UnavailableError{"C compiler", err}
	}
	return nil
}

var toolchains sync.Map // version -> func() (string, error)

// toolchain returns what the toolchain calls itself, "go1.23.12", having downloaded it if need be.
func toolchain(v string) (string, error) {
	ask, _ := toolchains.LoadOrStore(v, sync.OnceValues(func() (string, error) {
		cmd := exec.Command("go", "env", "GOVERSION")
		cmd.Env = buildEnv(Build{Go: v})
		cmd.Dir = os.TempDir()
		out, err := cmd.Output()
		if exit, ok := err.(*exec.ExitError); ok {
			err = fmt.Errorf("%w: %s", err, strings.TrimSpace(string(exit.Stderr)))
		}
		if err != nil {
			return "", &UnavailableError{"toolchain go" + v, err}
		}
		return strings.TrimSpace(string(out)), nil
	}))
	return ask.(func() (string, error))()
}

// moduleRoot is the folder of go.mod above the working directory, which for a test is its
// package's folder.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("target: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", fmt.Errorf("target: no go.mod above the working directory")
		}
		dir = up
	}
}

// sourceHash is of files and of the files in folders: a program's own, and what it imports.
func sourceHash(dirs ...string) ([]byte, error) {
	h := sha256.New()
	for _, dir := range dirs {
		fmt.Fprintln(h, dir) // the paths in the executable depend on it
		err := filepath.WalkDir(dir, func(path string, f fs.DirEntry, err error) error {
			if err != nil || f.IsDir() {
				return err
			}
			src, err := os.ReadFile(path)
			fmt.Fprintln(h, f.Name(), len(src))
			h.Write(src)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("target: %w", err)
		}
	}
	return h.Sum(nil), nil
}

// cacheDir is below the user's cache folder, or in the temporary folder for users without one.
func cacheDir() string {
	if dir, err := os.UserCacheDir(); err == nil {
		dir = filepath.Join(dir, "mayfly-target")
		if os.MkdirAll(dir, 0o755) == nil {
			return dir
		}
	}
	return filepath.Join(os.TempDir(), fmt.Sprintf("mayfly-target-%d", os.Getuid()))
}

// prune removes executables of the same build from sources that are gone: a test of a day ago
// will not come back for them.
func prune(family string) {
	old, err := filepath.Glob(family + "-*")
	if err != nil {
		return
	}
	for _, dir := range old {
		if st, err := os.Stat(dir); err == nil && time.Since(st.ModTime()) > 24*time.Hour {
			os.RemoveAll(dir)
		}
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if _, ok := err.(*UnavailableError); ok {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
}
