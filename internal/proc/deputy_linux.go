package proc

import (
	"fmt"
	"io/fs"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// Privileged says whether this process has rights that the one which executed it did not have, by set-user-ID or file
// capabilities (getauxval(3), AT_SECURE).
func Privileged() bool {
	const atSecure = 23
	vector, err := unix.Auxv()
	if err != nil {
		return true
	}
	for _, v := range vector {
		if v[0] == atSecure {
			return v[1] != 0
		}
	}
	return false
}

// openToAll says whether this executable has rights of its own, and anybody may execute it: then it would read
// for everybody what only some may. Who gives it to a group by chgrp and chmod o-x has said who may.
var openToAll = sync.OnceValue(func() bool {
	if os.Getuid() == 0 || !Privileged() {
		return false
	}
	st, err := os.Stat("/proc/self/exe")
	return err != nil || st.Mode().Perm()&0o001 != 0
})

// allowed refuses processes of others to an executable that anybody may execute and that has rights of its own. path names the
// process in the error, uid is asked only then.
func allowed(path string, uid func() (int, error)) error {
	if !openToAll() {
		return nil
	}
	if id, err := uid(); err != nil || id == os.Getuid() {
		return err
	}
	return fmt.Errorf("proc: %s: %w: this program has its rights by file capabilities, and everybody may execute it: "+
		"chgrp it to those who may look into the processes of others, and chmod o-x", path, fs.ErrPermission)
}
