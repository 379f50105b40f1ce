// Package profiler records what a Go process does and returns it as a pprof profile.
//
//	rec, err := profiler.Record(ctx, pid, profiler.Options{})
//	err = rec.Profile.Write(file)
//
// Sources observe the target and emit samples (package sample). Those become one *profile.Profile: the
// caller of the leaf is put back, stacks are cut where they end, addresses are resolved to functions, lines and inlined
// frames (package symbolize), and goroutine labels are kept. Everything after that is a function of profiles: package
// export writes them, go tool pprof reads them.
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
