//go:build !linux

package self

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// Helper cannot be started here.
type Helper struct {
	PID           int
	Asks, Answers *os.File
}

// Start returns an error that wraps errors.ErrUnsupported.
func Start() (*Helper, error) {
	return nil, fmt.Errorf("start helper: %w: needs Linux", errors.ErrUnsupported)
}

// LeaveInTime knows no limit.
func (*Server) LeaveInTime() {}

// Ended returns ErrEnded.
func (*Helper) Ended() error { return ErrEnded }

// Close does nothing.
func (*Helper) Close() {}

// GiveUp does nothing.
func (*Helper) GiveUp(time.Duration) {}
