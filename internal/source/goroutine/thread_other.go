//go:build !linux

package goroutine

import (
	"context"
	"errors"
	"fmt"
	"time"
)

func (r *recorder) sample(ctx context.Context) error {
	defer close(r.full)
	return fmt.Errorf("goroutines are sampled on linux only: %w", errors.ErrUnsupported)
}

func (c *clock) sleepUntil(ctx context.Context, at int64) bool { return ctx.Err() == nil }

func threadCPU() time.Duration { return 0 }
