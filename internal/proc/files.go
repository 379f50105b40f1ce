package proc

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// ErrReplaced is wrapped by OpenMapping when the file of a mapping cannot be reached any more:
// it was deleted, or another file lies at its path.
var ErrReplaced = errors.New("the mapped file was deleted or replaced")

// Exe opens the executable of the process. It works after the file was deleted or replaced,
// and across mount namespaces: the link in /proc leads to the file itself, not to its path.
func (p *Process) Exe() (*os.File, error) {
	f, err := os.Open(p.path("exe"))
	if err != nil {
		return nil, p.deny("exe", err)
	}
	return f, nil
}

// OpenMapping opens the file behind a mapping of this process, whatever has happened to its name
// since. The ways, best first:
//
//   - /proc/PID/map_files/START-END, immune to deletion, replacement and chroot, but it needs
//     root or CAP_CHECKPOINT_RESTORE;
//   - /proc/PID/exe, when that is the file;
//   - the path inside the root directory of the process, or inside ours (maps shows paths of a
//     chroot as we see them), when the file there is the mapped one.
//
// The caller closes the file. The error wraps ErrReplaced when no way leads to the mapped file
// and fs.ErrPermission when they are all closed to us.
func (p *Process) OpenMapping(m Mapping) (*os.File, error) {
	if m.Inode == 0 || !strings.HasPrefix(m.Path, "/") {
		return nil, fmt.Errorf("proc: %s: %q: no file behind this mapping: %w", p.path("maps"), m.Path, fs.ErrInvalid)
	}
	link := p.path("map_files", fmt.Sprintf("%x-%x", m.Start, m.End))
	f, err := openRegular(link)
	if err == nil {
		return f, nil
	}
	if f, err := p.openExe(m); err == nil {
		return f, nil
	}
	if !m.Deleted {
		var nerr error
		if f, nerr = p.openPath(m); nerr == nil {
			return f, nil
		}
		err = nerr
	}
	if errors.Is(err, fs.ErrPermission) {
		return nil, p.deny("map_files", err)
	}
	return nil, fmt.Errorf("proc: %s: %s: %w: %w", p.path(), m.Path, ErrReplaced, err)
}

// openExe opens the executable when it is the file of m.
func (p *Process) openExe(m Mapping) (*os.File, error) {
	f, err := p.Exe()
	if err != nil {
		return nil, err
	}
	if p.isExe(f, m) {
		return f, nil
	}
	f.Close()
	return nil, ErrReplaced
}

// HasProgram says whether the process has an executable: one that exits loses it with its memory, before it has ended.
func (p *Process) HasProgram() bool {
	_, err := os.Readlink(p.path("exe"))
	return !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ESRCH)
}

// ExePath is the path of the executable as maps has it, "" if it cannot be read.
func (p *Process) ExePath() string {
	link, _ := os.Readlink(p.path("exe"))
	return strings.TrimSuffix(link, " (deleted)")
}

// IsExe reports whether a mapping is of the executable of the process.
func (p *Process) IsExe(m Mapping) bool {
	f, err := p.Exe()
	if err != nil {
		return m.Path == p.ExePath() // the path is all there is to tell
	}
	defer f.Close()
	return p.isExe(f, m)
}

// isExe compares by inode, and by device or path: the device may be another in maps (see
// sameFile), and the file may have been renamed since.
func (p *Process) isExe(exe *os.File, m Mapping) bool { return m.is(exe, p.ExePath()) }

// Of reports whether m is a mapping of the file, which was opened by its path.
func (m Mapping) Of(f *os.File) bool {
	path, err := realPath(f)
	return err == nil && m.is(f, path)
}

// FileMapping is a mapping of a file that was opened by its path, without addresses.
func FileMapping(f *os.File) (m Mapping, err error) {
	if m.Path, err = realPath(f); err != nil {
		return m, err
	}
	m.Dev, m.Inode, err = fileID(f)
	return m, err
}

func realPath(f *os.File) (string, error) {
	path, err := filepath.EvalSymlinks(f.Name())
	if err != nil {
		return "", err
	}
	return filepath.Abs(path)
}

func (m Mapping) is(f *os.File, path string) bool {
	dev, inode, err := fileID(f)
	return err == nil && inode == m.Inode && (dev == m.Dev || path == m.Path)
}

// openPath opens the path of m as the process itself would, or as we would.
func (p *Process) openPath(m Mapping) (*os.File, error) {
	var first error
	for _, root := range [2]string{p.path("root"), "/"} {
		f, err := openInRoot(root, m.Path)
		if err == nil && sameFile(f, m) {
			return f, nil
		}
		if err == nil {
			f.Close()
			err = ErrReplaced
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}

// sameFile compares by inode only: on overlayfs and btrfs the device in maps is not the one that
// stat gives.
func sameFile(f *os.File, m Mapping) bool {
	_, inode, err := fileID(f)
	return err == nil && inode == m.Inode
}
