package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

var errForeignLink = errors.New("its folder is a link that somebody else made where everybody may: name the folder itself")

// openFolder opens a folder, and follows no link that somebody else made where everybody may make links: what that leads to
// is not for others to choose. The kernel has the same rule where fs.protected_symlinks is set (proc(5)).
func openFolder(e *env, dir string) (*os.Root, error) {
	named, err := os.Lstat(dir)
	if err != nil {
		return nil, err
	}
	link := named.Mode()&fs.ModeSymlink != 0
	if link && !ours(e, named) && everybodys(filepath.Dir(dir)) {
		return nil, errForeignLink
	}
	root, err := os.OpenRoot(dir)
	if err != nil || link {
		return root, err
	}
	if opened, err := root.Stat("."); err != nil || !os.SameFile(named, opened) { // it has just become a link
		root.Close()
		return nil, errForeignLink
	}
	return root, nil
}

// everybodys says whether all may make files in a folder, and none may remove those of others.
func everybodys(dir string) bool {
	st, err := os.Stat(dir)
	return err == nil && st.Mode()&fs.ModeSticky != 0 && st.Mode().Perm()&0o002 != 0
}

// makeFolder opens a folder, and makes it, and those above it, where they are missing: as private as the files that go there.
func makeFolder(e *env, dir string) (*os.Root, error) {
	root, err := openFolder(e, dir)
	parent := filepath.Dir(dir)
	if !errors.Is(err, fs.ErrNotExist) || parent == dir {
		return root, err
	}
	above, err := makeFolder(e, parent)
	if err != nil {
		return nil, err
	}
	defer above.Close()
	err = above.Mkdir(filepath.Base(dir), 0o700)
	if err != nil && !errors.Is(err, fs.ErrExist) { // another mayfly may just have made it
		return nil, err
	}
	made := err == nil
	if root, err = openFolder(e, dir); err != nil || !made {
		return root, err
	}
	if d, err := root.Open("."); err == nil {
		giveToCaller(e, d)
		d.Close()
	}
	return root, nil
}

// firstMissing is the topmost folder above path that is not there, or path itself where its folder is.
func firstMissing(path string) string {
	for {
		dir := filepath.Dir(path)
		if _, err := os.Lstat(dir); dir == path || !errors.Is(err, fs.ErrNotExist) {
			return path
		}
		path = dir
	}
}
