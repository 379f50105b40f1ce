package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/samples"
)

// profileFiles are the files that one argument names: a file, the profiles in a folder, or a
// comma-separated list of both.
func profileFiles(arg string) (files []string, err error) {
	if _, err := os.Stat(arg); err == nil {
		return folderFiles(arg)
	}
	for _, part := range strings.Split(arg, ",") {
		if part == "" {
			continue
		}
		more, err := folderFiles(part)
		if err != nil {
			return nil, err
		}
		files = append(files, more...)
	}
	if len(files) == 0 {
		return nil, usagef("diff: %q names no profile", arg)
	}
	return files, nil
}

// extensions are what profiles in a folder are called; what else is in it is left alone.
var extensions = []string{".pb.gz", ".pb", ".pprof", ".prof", ".out"}

func folderFiles(path string) ([]string, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, cause(err))
	}
	if !st.IsDir() {
		return []string{path}, nil
	}
	entries, err := os.ReadDir(path) // sorted
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, cause(err))
	}
	var files []string
	for _, entry := range entries {
		is := func(ext string) bool { return strings.HasSuffix(entry.Name(), ext) }
		if !entry.IsDir() && !strings.HasPrefix(entry.Name(), ".") && slices.ContainsFunc(extensions, is) {
			files = append(files, filepath.Join(path, entry.Name()))
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("read %s: no profiles in this folder (%s)", path, strings.Join(extensions, ", "))
	}
	return files, nil
}

func readProfile(path string) (p *profile.Profile, err error) {
	err = withFile(path, func(r io.Reader) error {
		p, err = samples.Read(r, path)
		return err
	})
	return p, err
}

func withFile(path string, do func(io.Reader) error) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read %s: %w", path, cause(err))
	}
	defer f.Close()
	if err := do(f); err != nil {
		return fmt.Errorf("read %w", err)
	}
	return nil
}
