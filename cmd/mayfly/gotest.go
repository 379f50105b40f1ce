package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"github.com/google/pprof/profile"
	"github.com/spf13/pflag"

	"github.com/mayfly-profiler/mayfly/internal/printable"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// `go test` builds a test binary and executes it; the binary is what is to be recorded, not the go
// command. It has a flag for that: -exec names a program that is to execute the binary. So the command
// gets -exec 'mayfly record ... --', and the binary is recorded from its first instruction like any other
// command. Watching for a child process instead would miss how it begins, and need to guess which one.
//
// A run may execute a binary for each package. Each makes a file in a folder of its own, and
// when the go command has ended, the files are moved to where they are wanted.

var goCommand = regexp.MustCompile(`^go[0-9.]*$`)

// isGoTest says whether a command is go test, which executes what it has built.
func isGoTest(command []string) bool { return isGo(command, "test") }

func isGo(command []string, verb string) bool {
	return len(command) > 1 && goCommand.MatchString(filepath.Base(command[0])) && command[1] == verb
}

// goFlag says whether a go command has one of the flags, as -flag, --flag or -flag=value.
func goFlag(flags []string, names ...string) bool {
	return slices.ContainsFunc(flags, func(arg string) bool { return slices.Contains(names, goFlagName(arg)) })
}

// goFlagName is the name of a flag, "" of what is none.
func goFlagName(arg string) string {
	name, isFlag := strings.CutPrefix(arg, "-")
	if !isFlag {
		return ""
	}
	name, _, _ = strings.Cut(strings.TrimPrefix(name, "-"), "=")
	return name
}

// goTestFlags are those of go test itself, without what it hands to the test binary behind -args.
func goTestFlags(command []string) []string {
	if i := slices.IndexFunc(command, func(arg string) bool { return goFlagName(arg) == "args" }); i >= 0 {
		return command[:i]
	}
	return command
}

// checkGoTest finds what cannot be done with go test.
func (f *recordFlags) checkGoTest() error {
	switch {
	case !isGoTest(f.command):
		return nil
	case goFlag(goTestFlags(f.command), "c"):
		return usagef("record: go test -c runs nothing: record the binary that it makes")
	case goFlag(goTestFlags(f.command), "exec"):
		return usagef("record: go test has an -exec of its own: record the test binary (go test -c)")
	case f.output == "-" || f.json:
		return usagef("record: go test writes to stdout itself: name a file with -o, without --json")
	}
	return nil
}

// recordGoTest records the test binaries that a go test executes, and passes its exit code on.
func recordGoTest(ctx context.Context, e *env, f *recordFlags) error {
	path, err := filepath.Abs(f.output)
	if err != nil {
		return fmt.Errorf("write %s: %w", f.output, err)
	}
	folder, err := makeFolder(e, filepath.Dir(path))
	if err != nil {
		return writeError(f.output, err)
	}
	defer folder.Close()
	dir, err := os.MkdirTemp(filepath.Dir(path), ".mayfly-")
	if err != nil {
		return writeError(f.output, err)
	}
	defer os.RemoveAll(dir)
	wrapper, err := f.wrapper("-q", "--tests="+dir)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, f.command[0], withExec(f.command[1:], wrapper)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", f.command[0], cause(err))
	}
	ended := cmd.Wait()
	if err := collect(e, f, dir); err != nil && ended == nil {
		return err
	}
	return childExit(ended)
}

// withExec puts -exec first among the flags of go test or go run, but behind -C, which has to be first.
func withExec(args []string, wrapper string) []string {
	at := 1
	if len(args) > 1 && (args[1] == "-C" || args[1] == "--C") {
		at = min(3, len(args))
	} else if len(args) > 1 && (strings.HasPrefix(args[1], "-C=") || strings.HasPrefix(args[1], "--C=")) {
		at = 2
	}
	return slices.Insert(slices.Clone(args), at, "-exec="+wrapper)
}

// wrapper is the value of -exec: this command with the same flags and some more. The go command splits it
// at spaces outside of quotes (cmd/internal/quoted).
func (f *recordFlags) wrapper(more ...string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("start %s: %w", f.command[0], err)
	}
	var words []string
	for _, w := range slices.Concat([]string{self, "record"}, more, f.given) {
		quote := "'"
		if strings.Contains(w, quote) {
			quote = `"`
		}
		if strings.Contains(w, quote) {
			return "", usagef("record: %s: -exec of the go command cannot take both kinds of quotes", w)
		}
		words = append(words, quote+w+quote)
	}
	return strings.Join(append(words, "--"), " "), nil
}

// givenFlags are the flags of a command line that are passed on to the recording of a test binary.
func givenFlags(fl *pflag.FlagSet) (given []string) {
	fl.Visit(func(x *pflag.Flag) {
		if !slices.Contains([]string{"output", "quiet", "verbose", "tests"}, x.Name) {
			given = append(given, "--"+x.Name+"="+x.Value.String())
		}
	})
	return given
}

// testOutput is where the recording of a test binary goes: a file by the package's name.
func testOutput(dir, binary string) (string, error) {
	name := strings.TrimSuffix(filepath.Base(binary), ".test")
	f, err := os.CreateTemp(dir, name+"-*.pb.gz")
	if err != nil {
		return "", writeError(dir, err)
	}
	return f.Name(), f.Close()
}

// collect writes what was recorded to where it is wanted: one file to the output, several beside it, by package.
// Packages without benchmarks are left out when another one has some.
func collect(e *env, f *recordFlags, dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.pb.gz"))
	if err != nil {
		return err
	}
	var all, benched []tested
	for _, path := range files {
		p, err := readProfile(path)
		if err != nil {
			continue // it has not come so far, and said why
		}
		t := tested{path, p}
		if all = append(all, t); len(t.benchmarks()) > 0 {
			benched = append(benched, t)
		}
	}
	if len(benched) > 0 {
		all = benched
	}
	if len(all) == 0 {
		return errors.New("record: go test executed no test binary that could be recorded")
	}
	for _, t := range all {
		to := f.output
		if len(all) > 1 {
			to = beside(f.output, filepath.Base(t.path))
		}
		if err := f.write(e, to, t.p); err != nil {
			return err
		}
		t.tell(e, to)
	}
	return nil
}

// beside puts the package's name into that of a file: new/1.pb.gz is new/1-json-123.pb.gz.
func beside(output, name string) string {
	dir, base := filepath.Split(output)
	stem, ext, found := strings.Cut(base, ".")
	if found {
		ext = "." + ext
	}
	return dir + stem + "-" + strings.TrimSuffix(name, ".pb.gz") + ext
}

// tested is the recording of one test binary.
type tested struct {
	path string
	p    *profile.Profile
}

func (t tested) benchmarks() []string {
	var names []string
	for _, s := range t.p.Sample {
		for _, v := range s.Label["benchmark"] {
			if i, found := slices.BinarySearch(names, v); !found {
				names = slices.Insert(names, i, v)
			}
		}
	}
	return names
}

func (t tested) tell(e *env, path string) {
	what := "no benchmark in it"
	if names := t.benchmarks(); len(names) > 0 {
		what = "label benchmark: " + printable.Line(strings.Join(names, ", "))
	}
	e.say("%s: %s of the test binary, %s", path, seconds(t.p.DurationNanos), what)
	for _, c := range t.p.Comments {
		if key, why := sample.Comment(c); key == sample.CommentDenied && why != "" {
			e.warn("missing: %s", why)
		}
	}
}
