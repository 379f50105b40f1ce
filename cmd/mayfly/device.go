package main

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
)

// kindOf names what is no regular file.
func kindOf(m fs.FileMode) string {
	switch {
	case m&fs.ModeNamedPipe != 0:
		return "pipe"
	case m&fs.ModeSocket != 0:
		return "socket"
	}
	return "device"
}

// ofSystem says whether path is in a folder that the kernel or root fills: what is there is opened, never replaced.
func ofSystem(path string) bool {
	abs, err := filepath.Abs(path)
	return err == nil && (filepath.Dir(abs) == "/dev" || strings.HasPrefix(abs, "/dev/fd/") || strings.HasPrefix(abs, "/proc/"))
}

// errNoReader says that a pipe would have been waited for.
var errNoReader = errors.New("nobody reads from this pipe yet: start its reader first")
