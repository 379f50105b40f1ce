package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/export"
	"github.com/mayfly-profiler/mayfly/internal/exectrace"
	"github.com/mayfly-profiler/mayfly/internal/page"
	"github.com/mayfly-profiler/mayfly/internal/samples"
	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

// viewFlags is the command line of view.
type viewFlags struct {
	output, column string
	request, serve string
	labels         []string
	files          []string
	memory         int      // MiB
	missing        []string // what of the files is not in the output, in words
}

// writer reads the files, and returns what writes them in the format of the output.
func (f *viewFlags) writer(format export.Format, isPage bool) (func(io.Writer) error, error) {
	if isPage {
		b, err := f.page(0)
		if err != nil {
			return nil, err
		}
		return b.Write, nil
	}
	var all []*profile.Profile
	memory := viewMemory{profiles: samples.Budget{Most: int64(f.memory) << 20}, pieces: tracePieces}
	for _, path := range f.files {
		p, err := memory.profile(path)
		if errors.Is(err, samples.ErrTooLarge) {
			err = fmt.Errorf("%w (--memory-limit allows more; a page needs less)", err)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	f.missing = memory.missing
	merged := all[0] // as it is: Merge would have it in memory twice
	if len(all) > 1 {
		var err error
		if merged, err = profile.Merge(all); err != nil {
			return nil, fmt.Errorf("view: %w", err)
		}
		if err := addable(all); err != nil {
			return nil, err
		}
	}
	shown := export.Options{Column: f.column, Labels: f.labels}
	return func(w io.Writer) error { return format.Write(w, merged, shown) }, nil
}

// addable refuses profiles, which have no negative values, whose sum no profile can hold: Merge adds on.
func addable(all []*profile.Profile) error {
	sums := make([]int64, len(all[0].SampleType))
	for _, p := range all {
		for _, s := range p.Sample {
			for c, v := range s.Value {
				if v > math.MaxInt64-sums[c] {
					return fmt.Errorf("view: column %s: its sum is more than 63 bits: a page can have it", p.SampleType[c].Type)
				}
				sums[c] += v
			}
		}
	}
	return nil
}

// tracePieces is how much of traces becomes profiles in memory: a piece takes a kilobyte and a half as a sample, fifteen times
// what it takes in the trace. Pages take one after the other.
const tracePieces = 1 << 19

// viewMemory is what all files may take that become one output.
type viewMemory struct {
	profiles samples.Budget
	pieces   int // of traces, that are left
	missing  []string
}

// profile reads a profile, or an execution trace as one.
func (m *viewMemory) profile(path string) (p *profile.Profile, err error) {
	err = withFile(path, func(r io.Reader) error {
		t, r, err := traceOf(r, path, max(m.pieces, 1))
		if t == nil && err == nil {
			p, err = m.profiles.Read(r, path)
		}
		if t != nil {
			head, all := profileOf(t)
			p, head.Sample = head, slices.Collect(all)
			m.pieces -= len(p.Sample)
			if t.Unread != "" {
				m.missing = append(m.missing, fmt.Sprintf("%s: %s: what is behind that is missing", path, t.Unread))
			}
		}
		return err
	})
	return p, err
}

// traceOf reads an execution trace of so many pieces, 0 as many as package exectrace reads; of anything else it returns all
// bytes.
func traceOf(r io.Reader, path string, pieces int) (*exectrace.Trace, io.Reader, error) {
	b := bufio.NewReaderSize(r, 64<<10)
	if begin, _ := b.Peek(512); !exectrace.Is(begin) {
		return nil, b, nil
	}
	t, err := exectrace.Read(b, exectrace.Options{Pieces: pieces})
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil, nil
}

// profileOf is a trace as a profile, which says what of the trace is not in it.
func profileOf(t *exectrace.Trace) (*profile.Profile, iter.Seq[*profile.Sample]) {
	head, all := t.Profile()
	if t.Unread != "" {
		head.Comments = append(head.Comments, t.Unread+": what is behind that is not in this profile")
	}
	return head, all
}

// page adds the files up, one sample at a time.
func (f *viewFlags) page(lanes int) (*page.Builder, error) {
	title := filepath.Base(f.files[0])
	if n := len(f.files); n > 1 {
		title += fmt.Sprintf(" and %d more", n-1)
	}
	requests, err := timeline.ParseSelector(f.request)
	if err != nil {
		return nil, usagef("view: %w", err)
	}
	b := page.New(page.Options{Title: title, Column: f.column, Labels: f.labels, Requests: requests, Lanes: lanes})
	for _, path := range f.files {
		if err := withFile(path, func(r io.Reader) error { return f.addTo(b, r, path) }); err != nil {
			return nil, err
		}
	}
	if f.column != "" && !slices.Contains(b.Columns(), f.column) {
		return nil, usagef("view: column %q: not one of %s", f.column, strings.Join(b.Columns(), ", "))
	}
	return b, nil
}

// addTo adds a file to the page. Goroutines are those of one file: the ids of two runs mean nothing together.
func (f *viewFlags) addTo(b *page.Builder, r io.Reader, path string) error {
	t, r, err := traceOf(r, path, 0)
	if err != nil {
		return err
	}
	if t != nil {
		head, all := profileOf(t)
		if len(f.files) == 1 {
			b.AddTimeline(t.Timeline)
		}
		return b.Add(head, all)
	}
	file, err := samples.Open(r, path)
	if err != nil {
		return err
	}
	if err := b.Add(file.Head, file.Each()); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := file.Err(); err != nil || len(f.files) > 1 {
		return err
	}
	b.AddLanes(file.Head, file.Each())
	return file.Err()
}
