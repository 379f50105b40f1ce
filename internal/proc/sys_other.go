//go:build !linux

package proc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/netip"
	"os"
	"runtime"
	"time"
)

var begin = time.Now()

// Monotonic is the time since the process began, in ns.
func Monotonic() int64 { return int64(time.Since(begin)) }

func newHand() hand { return newGoHand() }

func readSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxSmallFile))
}

// TimeOffset is 0.
func TimeOffset() int64 { return 0 }

// TimeOffset is 0.
func (p *Process) TimeOffset() int64 { return 0 }

var errNotLinux = fmt.Errorf("processes are observed on linux only: %w", errors.ErrUnsupported)

type pidfd struct{ _ uint8 }

var noPidfd pidfd

func openPidfd(int) (pidfd, error) { return noPidfd, errNotLinux }
func (pidfd) close()               {}
func (pidfd) ended() bool          { return false }
func (pidfd) wait() bool           { return false }

func cpuTime(int) (time.Duration, error) { return 0, errNotLinux }

type noMemory struct{}

// OwnAffinity is not known here.
func OwnAffinity() []int { return nil }

// Mem returns a Memory of which nothing can be read.
func (p *Process) Mem() Memory { return noMemory{} }

// MemKeepingP returns a Memory of which nothing can be read.
func (p *Process) MemKeepingP() Memory { return noMemory{} }

func (noMemory) ReadAt([]byte, int64) (int, error) { return 0, fmt.Errorf("proc: %w", errNotLinux) }

func openInRoot(root, path string) (*os.File, error) { return nil, errNotLinux }

func openRegular(path string) (*os.File, error) { return nil, errNotLinux }

func fileID(*os.File) (dev, inode uint64, err error) { return 0, 0, errNotLinux }

// AffinityCPUs is 0.
const AffinityCPUs = 0

// Affinity returns an error that wraps errors.ErrUnsupported.
func (p *Process) Affinity() ([]int, error) { return nil, fmt.Errorf("proc: %w", errNotLinux) }

type execCounter struct{}

func openExecCounter(*Process) (*execCounter, error) { return nil, errNotLinux }
func (*execCounter) read() time.Duration             { return 0 }
func (*execCounter) close() error                    { return nil }

// Peer returns an error that wraps errors.ErrUnsupported.
func (p *Process) Peer(int) (Peer, error) { return Peer{}, fmt.Errorf("proc: %w", errNotLinux) }

// Listeners returns an error that wraps errors.ErrUnsupported.
func (p *Process) Listeners() ([]netip.AddrPort, error) {
	return nil, fmt.Errorf("proc: %w", errNotLinux)
}

// Listening returns an error that wraps errors.ErrUnsupported.
func (p *Process) Listening() ([]Listener, error) { return nil, fmt.Errorf("proc: %w", errNotLinux) }

// Unaccepted returns an error that wraps errors.ErrUnsupported.
func (p *Process) Unaccepted(Listener) (int, error) { return 0, fmt.Errorf("proc: %w", errNotLinux) }

// Dial returns an error that wraps errors.ErrUnsupported.
func (p *Process) Dial(context.Context, netip.AddrPort) (net.Conn, error) {
	return nil, fmt.Errorf("proc: %w", errNotLinux)
}

// CPUs is how many CPUs the machine has.
func CPUs() float64 { return float64(runtime.NumCPU()) }

// Quota is 0.
func (p *Process) Quota() float64 { return 0 }

// MemoryLeft knows no limit.
func MemoryLeft() int64 { return math.MaxInt64 }

// MemoryLimits are none.
type MemoryLimits []struct{}

// OpenMemoryLimits finds none.
func OpenMemoryLimits() MemoryLimits { return nil }

// Left knows no limit.
func (MemoryLimits) Left(int64) int64 { return math.MaxInt64 }

// Privileged knows no file capabilities.
func Privileged() bool { return false }

func allowed(string, func() (int, error)) error { return nil }

// Identify identifies nothing.
func Identify(*os.File) (id FileID, ok bool) { return FileID{}, false }
