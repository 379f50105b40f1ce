package proc

import "time"

// FileID is what a file is as long as somebody has it open: one that is written to becomes another one.
type FileID struct {
	dev, inode        uint64
	size              int64
	modified, changed int64 // ns
}

// settled is how long ago a file has to have been changed to be told from what it becomes when it is changed again: its times are those
// of the kernel's tick.
const settled = 2 * time.Second
