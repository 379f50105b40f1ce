//go:build unix

package target

import (
	"fmt"
	"os"
	"syscall"
)

// lock waits until no other process holds the lock file and holds it until unlock is called.
func lock(file string) (unlock func(), err error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("target: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("target: lock %s: %w", file, err)
	}
	return func() { f.Close() }, nil
}
