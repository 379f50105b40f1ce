// Package bench is the experiment that says whether one version of a program's benchmarks is slower than another: it builds both,
// says in which order to run them, and knows the noise that the host has by itself.
//
// What it does against what people take for slowness (Mytkowicz et al. 2009; Curtsinger and Berger 2013, "Stabilizer"):
// fresh processes, base and new in turns, so that what changes on the machine meets both; builds whose
// functions the linker has put in another order each (-randlayout, Go 1.23), so that where code lies is noise and not a
// finding; and runs of the base alone first, whose differences are no change of the program.
package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Side is one version of the benchmarks.
type Side struct {
	Name   string // as it was given: a revision, a folder, a test binary
	Commit string // of git, with "+dirty" if files differ from it; "" if there is none

	dir      string   // in which its package is
	folder   string   // of its binaries, where they are built
	shuffled bool     // they are, with their functions in an order of their own each
	binaries []string // one for each layout
	remove   func() error
}

// Options say how to build.
type Options struct {
	Package string // by its path below the folder or the repository, such as ./internal/x; "" is the folder itself
	Layouts int    // how many orders of functions, 1 for the linker's own; 0: as many as Link leaves time for, 4 to 16
	Link    time.Duration
	Work    string // folder for worktrees and binaries
}

// Layouts are what is independent in a comparison, and not runs (internal/diff/builds.go). Four leave so few degrees of freedom that half
// of what sixteen find is lost; more than these find little more.
const (
	fewLayouts, mostLayouts = 4, 16
	mostLinked              = 2 << 30 // bytes of binaries
)

// links says whether there is to be one more layout, after so many that took so long and so many bytes.
func (o *Options) links(made int, took time.Duration, bytes int64) bool {
	if o.Layouts > 0 {
		return made < o.Layouts
	}
	return made < fewLayouts || made < mostLayouts && took < o.Link && bytes+bytes/int64(made) <= mostLinked
}

// Open finds out what name is, and builds its benchmarks once. What is neither a folder nor a file is a revision of the git
// repository in the current folder, which gets a worktree of its own in o.Work; Close removes it.
func Open(ctx context.Context, name string, o Options) (*Side, error) {
	s := &Side{Name: name, remove: func() error { return nil }}
	st, err := os.Stat(name)
	switch {
	case err == nil && !st.IsDir():
		if st.Mode()&0o111 == 0 {
			return nil, fmt.Errorf("bench %s: a file that is no program: name a test binary, a folder or a git revision", name)
		}
		path, err := filepath.Abs(name)
		if err != nil {
			return nil, fmt.Errorf("bench %s: %w", name, err)
		}
		s.dir, s.binaries = filepath.Dir(path), []string{path}
		return s, nil
	case err == nil:
		if s.dir, err = filepath.Abs(name); err != nil {
			return nil, fmt.Errorf("bench %s: %w", name, err)
		}
		s.Commit = commitOf(ctx, s.dir)
	default:
		if err := s.checkout(ctx, o); err != nil {
			return nil, err
		}
	}
	s.dir = filepath.Join(s.dir, o.Package)
	if err := s.build(ctx, o); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close removes the worktree.
func (s *Side) Close() error { return s.remove() }

// Dir is the folder that the benchmarks run in, as go test does it: that of their package.
func (s *Side) Dir() string { return s.dir }

// Binary is the test binary of a layout; they begin anew after the last one.
func (s *Side) Binary(layout int) string { return s.binaries[layout%len(s.binaries)] }

// Layouts is how many there are.
func (s *Side) Layouts() int { return len(s.binaries) }

// commitOf is the commit that is checked out in a folder. A folder outside of git has none, and that is no error.
func commitOf(ctx context.Context, dir string) string {
	commit, err := output(ctx, dir, "git", "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
	if err != nil {
		return ""
	}
	if changed, err := output(ctx, dir, "git", "status", "--porcelain", "--untracked-files=no", "."); err != nil || changed != "" {
		commit += "+dirty"
	}
	return commit
}

// checkout makes a worktree of a revision. Where one is below the repository's root, so is the folder in it.
func (s *Side) checkout(ctx context.Context, o Options) error {
	if strings.HasPrefix(s.Name, "-") {
		return fmt.Errorf("bench %s: no folder, file or git revision", s.Name)
	}
	commit, err := output(ctx, ".", "git", "rev-parse", "--verify", "--quiet", "--end-of-options", s.Name+"^{commit}")
	if err != nil {
		return fmt.Errorf("bench %s: no folder, no file and no revision of a git repository here", s.Name)
	}
	s.Commit = commit
	prefix, err := output(ctx, ".", "git", "rev-parse", "--show-prefix")
	if err != nil {
		return fmt.Errorf("bench %s: %w", s.Name, err)
	}
	tree, err := os.MkdirTemp(o.Work, "tree-")
	if err != nil {
		return fmt.Errorf("bench %s: %w", s.Name, err)
	}
	if _, err := output(ctx, ".", "git", "worktree", "add", "--detach", "--force", tree, commit); err != nil {
		return fmt.Errorf("bench %s: %w", s.Name, err)
	}
	s.remove = func() error {
		_, err := output(context.WithoutCancel(ctx), ".", "git", "worktree", "remove", "--force", tree)
		return err
	}
	s.dir = filepath.Join(tree, prefix)
	return nil
}

// build makes the first test binary.
func (s *Side) build(ctx context.Context, o Options) (err error) {
	if s.folder, err = os.MkdirTemp(o.Work, "bin-"); err != nil {
		return fmt.Errorf("bench %s: %w", s.Name, err)
	}
	s.shuffled = o.Layouts != 1
	err = s.link(ctx)
	if err != nil && s.shuffled && strings.Contains(err.Error(), "randlayout") { // before Go 1.23
		s.shuffled = false
		err = s.link(ctx)
	}
	if err != nil {
		return err
	}
	if _, err := os.Stat(s.binaries[0]); err != nil {
		return fmt.Errorf("bench %s: the package in %s has no tests", s.Name, s.dir)
	}
	return nil
}

// Shuffle builds sides again, with their functions in another order each time, as often as o says. It builds both at the same time: what
// else binaries have of when they were written, as where their pages lie in memory, is then no difference between sides.
func Shuffle(ctx context.Context, o Options, sides ...*Side) error {
	sides = slices.DeleteFunc(sides, func(s *Side) bool { return !s.shuffled })
	var each int64
	for _, s := range sides {
		st, err := os.Stat(s.binaries[0])
		if err != nil {
			return fmt.Errorf("bench %s: %w", s.Name, err)
		}
		each += st.Size()
	}
	begin := time.Now()
	for made := 1; len(sides) > 0 && o.links(made, time.Since(begin), each*int64(made)); made++ {
		errs := make([]error, len(sides))
		var all sync.WaitGroup
		for i, s := range sides {
			all.Go(func() { errs[i] = s.link(ctx) })
		}
		all.Wait()
		if err := errors.Join(errs...); err != nil {
			return err
		}
	}
	return nil
}

// link makes the next binary, whose functions have an order of their own if they are to be shuffled.
func (s *Side) link(ctx context.Context) error {
	n := len(s.binaries)
	binary := filepath.Join(s.folder, strconv.Itoa(n)+".test")
	flags := "-w" // DWARF takes a quarter of the time; the layout of a release of Go is known without
	if s.shuffled {
		flags += " -randlayout=" + strconv.Itoa(n+1)
	}
	if _, err := output(ctx, s.dir, "go", "test", "-c", "-o", binary, "-ldflags="+flags, "."); err != nil {
		return fmt.Errorf("bench %s: build: %w", s.Name, err)
	}
	s.binaries = append(s.binaries, binary)
	return nil
}

// output runs a command and returns what it prints. Its error has the last lines that it printed.
func output(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		lines := strings.Split(strings.TrimSpace(errs.String()), "\n")
		return "", fmt.Errorf("%s %s: %w: %s", name, args[0], err, strings.Join(lines[max(0, len(lines)-5):], " | "))
	}
	return strings.TrimSpace(out.String()), nil
}
