package house

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// sources calls f with each Go file of the module that is no test; paths are relative to the root, with slashes. Programs in
// testdata are not the module's.
func sources(t *testing.T, f func(path string, src []byte)) {
	t.Helper()
	files(t, ".go", func(path string, src []byte) {
		if !strings.HasSuffix(path, "_test.go") && !inTestdata(path) {
			f(path, src)
		}
	})
}

// files calls f with each file of the repository whose name ends so, what git and editors keep aside.
func files(t *testing.T, suffix string, f func(path string, src []byte)) {
	t.Helper()
	root, n := filepath.Join("..", ".."), 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch hidden := strings.HasPrefix(d.Name(), ".") && len(d.Name()) > 2 && d.Name() != ".github"; {
		case err != nil:
			return err
		case d.IsDir() && (hidden || d.Name() == "node_modules"):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, suffix):
			return nil
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		n++
		rel, err := filepath.Rel(root, path)
		f(filepath.ToSlash(rel), src)
		return err
	})
	if err != nil || n == 0 {
		t.Fatalf("%d files *%s: %v", n, suffix, err)
	}
}

// inTestdata says whether a path lies in a folder that the go command leaves out.
func inTestdata(path string) bool { return strings.Contains("/"+path, "/testdata/") }
