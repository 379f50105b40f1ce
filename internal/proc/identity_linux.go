package proc

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Identify returns what an open file is. It is not ok for what was changed a moment ago, and for what is no regular file.
func Identify(f *os.File) (id FileID, ok bool) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return FileID{}, false
	}
	id = FileID{uint64(st.Dev), st.Ino, st.Size, st.Mtim.Nano(), st.Ctim.Nano()}
	return id, time.Since(time.Unix(0, id.changed)) > settled
}
