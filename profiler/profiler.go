// Package profiler records what a Go process does and returns it as a pprof profile.
//
//	rec, err := profiler.Record(ctx, pid, profiler.Options{})
//	err = rec.Profile.Write(file)
//
// A source (package bpf) observes the target and emits samples. A Builder folds samples into one
// *profile.Profile: it puts back the caller of the leaf, cuts stacks where they end, resolves
// addresses to functions, lines and inlined frames (package symbolize), and keeps goroutine labels.
// Everything after that is a function of profiles: package export writes them, go tool pprof reads
// them.
//
// The target is observed from outside: it is never stopped, signalled or written to. A program that
// wants to observe itself imports package inprocess, which does so by a helper process, with the same engines and,
// where those are not allowed, the runtime's own.
package profiler

import (
	"context"
	"errors"
)

// Record samples the process until ctx ends or the process is gone, whichever comes first; both are a normal end. When the
// process executes another Go program, the recording goes on with that. Errors wrap ErrNoProcess, ErrNotGo, fs.ErrPermission
// (a right is missing; the text names it) or errors.ErrUnsupported (the kernel or platform lacks something).
//
// When the error comes after the first sample, the recording is returned with it.
func Record(ctx context.Context, pid int, o Options) (*Recording, error) {
	if err := o.validateOutside(pid); err != nil {
		return nil, err
	}
	if len(o.Calls) > 0 && !o.Keep.Timeline {
		return nil, errCalls
	}
	var parts []*Recording
	err := follow(ctx, pid, StreamOptions{Options: o}, func(rec *Recording) error { parts = append(parts, rec); return nil })
	if len(parts) == 0 {
		return nil, err
	}
	rec, werr := whole(parts)
	return rec, errors.Join(err, werr)
}
