package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/requests"
	"github.com/mayfly-profiler/mayfly/internal/samples"
	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

// showRequests writes the requests that are asked for, or what the recording has of them.
func (f *pickFlags) showRequests(ctx context.Context, e *env, in *reportInput, out *resultFlags) error {
	pick, err := f.pick()
	if err != nil {
		return err
	}
	if f.keepsProfile(out) {
		p, err := in.profile()
		if err != nil {
			return err
		}
		found, err := within(ctx, func() (*requests.Found, error) { return keep(p, pick) })
		if err != nil {
			return fmt.Errorf("report %s: %w", in.name, err)
		}
		e.say("%s: %s", out.output, kept(found, p))
		return writeProfile(e, out.output, p)
	}
	found, err := within(ctx, func() (*requests.Found, error) {
		t, err := in.whole()
		if err != nil {
			return nil, err
		}
		return requests.In(t, pick)
	})
	if err != nil {
		return fmt.Errorf("report %s: %w", in.name, err)
	}
	if in.beside != "" {
		e.say("with the execution trace %s", in.beside)
	}
	return writeResult(e, out, requests.Formats(), found)
}

// whole is the timeline of all that there is: the trace with what only the recording knows, or one of the two.
func (in *reportInput) whole() (*timeline.Timeline, error) {
	rec, t, unusable, err := in.read()
	switch {
	case err != nil || in.trace == nil:
		return rec, err
	case unusable == nil:
		return t.Timeline, nil
	case in.given || rec == nil:
		return nil, unusable
	}
	in.beside = ""
	return rec, nil
}

// profile is the recording with all its samples.
func (in *reportInput) profile() (*profile.Profile, error) {
	switch {
	case in.recording != nil:
		return in.recording, nil
	case in.file == nil:
		return nil, errors.New("report: an execution trace has no samples that could be kept: give the recording of the same seconds")
	}
	return whole(in.file)
}

// whole puts the samples of a file together.
func whole(file *samples.File) (*profile.Profile, error) {
	p := file.Head
	for s := range file.Each() {
		p.Sample = append(p.Sample, &profile.Sample{Location: slices.Clone(s.Location), Value: slices.Clone(s.Value),
			Label: maps.Clone(s.Label), NumLabel: maps.Clone(s.NumLabel)})
	}
	if err := file.Err(); err != nil {
		return nil, fmt.Errorf("read %w", err)
	}
	return p, nil
}
