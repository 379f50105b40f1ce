package proc

import (
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// OpenPerfMap opens the file in which the process names the code that it has generated, /tmp/perf-PID.map in its
// own root directory and by the pid that it has in its own PID namespace. Anybody may write to /tmp: the file has to be
// a regular one that belongs to the process's effective user, and no symbolic link may lead to it. The caller
// closes it. The error wraps fs.ErrNotExist when there is none and fs.ErrInvalid when it is none of the process's.
func (p *Process) OpenPerfMap() (*os.File, error) {
	b, err := p.read("status")
	if err != nil {
		return nil, err
	}
	uid, err := parseUID(b)
	if err != nil {
		return nil, fmt.Errorf("proc: %s: %w", p.path("status"), err)
	}
	name := fmt.Sprintf("tmp/perf-%d.map", innerPID(b, p.pid))
	f, err := openOwn(p.path("root"), name, uint32(uid))
	if err != nil {
		return nil, fmt.Errorf("proc: %s: %w", p.path("root", name), err)
	}
	return f, nil
}

// openOwn opens a regular file of a user below root, through no link.
func openOwn(root, name string, uid uint32) (*os.File, error) {
	dir, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(dir)
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC | unix.O_NOFOLLOW,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_SYMLINKS}
	fd, err := unix.Openat2(dir, name, &how)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, err
	}
	if st.Uid != uid {
		return nil, fs.ErrInvalid
	}
	return reopen(fd, root+"/"+name)
}
