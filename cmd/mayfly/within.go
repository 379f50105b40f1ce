package main

import (
	"context"
	"errors"
)

// within calls f, and returns before it has ended when ctx does: for work that cannot be interrupted
// at the end of a process.
func within[T any](ctx context.Context, f func() (T, error)) (result T, err error) {
	done := make(chan struct{})
	var got T
	var failed error
	go func() {
		defer close(done)
		got, failed = f()
	}()
	select {
	case <-done:
		return got, failed
	case <-ctx.Done():
		return result, errors.New("interrupted")
	}
}
