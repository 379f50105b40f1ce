//go:build !linux

package goroutine

import (
	"context"
	"errors"
	"fmt"
	"time"
)

func realTime() (ok bool, err error) {
	return false, fmt.Errorf("goroutines are sampled on linux only: %w", errors.ErrUnsupported)
}

func (c *clock) sleepUntil(ctx context.Context, at int64) bool { return ctx.Err() == nil }

func threadCPU() time.Duration { return 0 }
