package proc

import (
	"sync/atomic"
	"time"
)

// A read of another process's memory can last for ever: where a page has to be brought in first, by a userfaultfd
// that nobody serves, a FUSE or NFS server that does not answer, a disk that is gone. Nothing can be done
// about it then, by anyone: not even a signal ends it. So it is known which reads have not returned, for those
// who wait for the readers.

// flights are the times at which reads began that have not returned, CLOCK_REALTIME in ns; 0: none.
type flights [16]atomic.Int64

// begin returns what end wants.
func (f *flights) begin() int {
	now := time.Now().UnixNano()
	for i := range f {
		if f[i].Load() == 0 && f[i].CompareAndSwap(0, now) {
			return i
		}
	}
	return -1 // so many at a time are not watched
}

func (f *flights) end(i int) {
	if i >= 0 {
		f[i].Store(0)
	}
}

// oldest is when the oldest of them began; 0: there is none.
func (f *flights) oldest() (began int64) {
	for i := range f {
		if t := f[i].Load(); t != 0 && (began == 0 || t < began) {
			began = t
		}
	}
	return began
}
