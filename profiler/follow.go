package profiler

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// A process that executes another program stays the same process: servers do it to drop privileges, to
// upgrade themselves, or to begin under a wrapper. Everything that is known of its memory is wrong from then on:
// mappings, layout, tables. So a recording of it is one recording for each program, one behind the other; what
// comes between, until the next program has been read, is not seen, and told in CPU time.

// endExec is the Summary's End of the last slice of a program.
const endExec = "the target executed another program"

// follow streams a process, program after program. After the last, or when the next one cannot be
// recorded, it returns nil.
func follow(ctx context.Context, pid int, o StreamOptions, emit func(*Recording) error) error {
	r, err := openSettled(ctx, pid, o)
	for err == nil {
		var last *Recording // of this program
		err = r.stream(ctx, o.Every, func(rec *Recording) error {
			r.addCalls(rec.Profile)
			if rec.Summary.End == endExec && !o.OneProgram {
				last = rec
				return nil
			}
			return emit(rec)
		})
		used, _ := r.target.CPU()
		r.leave()
		if last == nil || err != nil {
			return err
		}
		o.Pending, o.Started = nil, nil
		var next error
		if r, next = openSettled(ctx, pid, o); next != nil {
			last.Summary.End = endOf(next)
			last.Profile.Comments = last.Summary.Comments()
			return emit(last)
		}
		if err = emit(last); err != nil {
			r.leave()
			return err
		}
		r.tellGap(used)
	}
	if o.OneProgram && execed(err) {
		return nil
	}
	return err
}

// mostExecs is how many programs a process may execute while it is opened.
const mostExecs = 3

// openSettled opens a process, anew if it executes another program meanwhile and that will do.
func openSettled(ctx context.Context, pid int, o StreamOptions) (r *recording, err error) {
	for range mostExecs {
		if r, err = open(ctx, pid, o.Options); !execed(err) || o.OneProgram {
			break
		}
	}
	return r, err
}

// endOf says why a recording ends with an execve.
func endOf(next error) string {
	if errors.Is(next, ErrNoProcess) || errors.Is(next, context.Canceled) {
		return endExec + ", and that ended"
	}
	return endExec + ": " + next.Error()
}

// tellGap says what was not seen since the clock showed used.
func (r *recording) tellGap(used time.Duration) {
	now, err := r.target.CPU()
	if err != nil || now <= used {
		return
	}
	r.deny(fmt.Sprintf("the first %s of CPU time of another program that the target executed", (now - used).Round(100*time.Microsecond)))
}

// whole is one recording of all programs, in their order.
func whole(parts []*Recording) (*Recording, error) {
	if len(parts) == 1 {
		return parts[0], nil
	}
	main := slices.MaxFunc(parts, func(a, b *Recording) int { return cmp.Compare(len(a.Profile.Sample), len(b.Profile.Sample)) })
	var in []kept
	var without int64 // CPU time of parts with other columns: states of goroutines could not be read
	for _, rec := range parts {
		if len(rec.Profile.SampleType) != len(main.Profile.SampleType) {
			without += rec.Summary.CPU.Rusage
			continue
		}
		k, err := keep(rec)
		if err != nil {
			return main, err
		}
		in = append(in, k)
	}
	p, err := joined(in)
	if err != nil {
		return main, err
	}
	all := &Recording{Profile: p, Summary: mergeSummaries(in), begin: in[0].start}
	all.Summary.End = parts[len(parts)-1].Summary.End
	if without > 0 {
		all.Summary.Denied = append(all.Summary.Denied, fmt.Sprintf("%s of CPU time of another program in the same process, of which the "+
			"goroutine table could not be read",
			time.Duration(without).Round(100*time.Microsecond)))
	}
	p.TimeNanos, p.DurationNanos = in[0].start.UnixNano(), in[len(in)-1].end.Sub(in[0].start).Nanoseconds()
	p.Comments = all.Summary.Comments()
	return all, nil
}

// Stream records like Record and hands out a complete Recording for each slice of o.Every, without
// a gap and without counting anything twice: a slice's profile begins where the one before ended,
// and its Summary counts what happened in it. emit owns the recording; an error of it ends the
// stream and is returned. The last slice is as long as was left.
//
// When the process executes another Go program, a slice ends there, and the next begins when that one has been
// read, or with OneProgram the stream has ended. Errors are those of Record. Coverage.Seen of a slice counts those that it has a sample of.
func Stream(ctx context.Context, pid int, o StreamOptions, emit func(*Recording) error) error {
	if err := o.validateOutside(pid); err != nil {
		return err
	}
	if o.Every == 0 {
		o.Every = defaultEvery
	}
	return follow(ctx, pid, o, emit)
}
