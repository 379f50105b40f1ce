//go:build unix

package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// expendable makes this process the first to go when memory runs out: it is beside a service that matters more (proc(5),
// oom_score_adj). Raising the score needs no right, and where there is no such file nothing is lost.
func expendable() { _ = os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0) }

// openFlags are those for writing to what is no regular file: never through a link that others could have made, and
// without waiting for the reader of a pipe.
func openFlags(path string) int {
	if ofSystem(path) {
		return syscall.O_NONBLOCK
	}
	return syscall.O_NONBLOCK | syscall.O_NOFOLLOW
}

// noReader puts into words what ENXIO means for a pipe.
func noReader(err error) error {
	if pe, ok := err.(*fs.PathError); ok && pe.Err == syscall.ENXIO {
		return &fs.PathError{Op: pe.Op, Path: filepath.Base(pe.Path), Err: errNoReader}
	}
	return err
}

// ours says whether a file belongs to us, to the user who called us by sudo, or to root.
func ours(e *env, st fs.FileInfo) bool {
	s, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return false
	}
	caller, _, sudo := sudoCaller(e)
	return int(s.Uid) == os.Geteuid() || s.Uid == 0 || sudo && int(s.Uid) == caller
}

// giveToCaller makes a file that root writes under sudo the property of who called sudo. It stays root's where that
// is refused, by a file system that knows no owners for instance.
func giveToCaller(e *env, f *os.File) {
	if uid, gid, ok := sudoCaller(e); ok {
		_ = f.Chown(uid, gid)
	}
}

// sudoCaller is the user who called us by sudo (sudo(8), SUDO_UID and SUDO_GID).
func sudoCaller(e *env) (uid, gid int, ok bool) {
	if os.Geteuid() != 0 || e.getenv == nil {
		return 0, 0, false
	}
	uid, uerr := strconv.Atoi(e.getenv("SUDO_UID"))
	gid, gerr := strconv.Atoi(e.getenv("SUDO_GID"))
	return uid, gid, uerr == nil && gerr == nil && uid > 0 && gid >= 0
}
