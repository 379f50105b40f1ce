// Package exectrace reads the Go runtime's execution traces: each state of each goroutine, exact, and who woke whom.
//
//	t, err := exectrace.Read(f, exectrace.Options{})
//
// It reads what runtime/trace, net/http/pprof and flight recorders write since Go 1.22, in one pass and within limits. What is
// read becomes the same tracks and pieces as those of a profile with a timeline; Join adds what only the profile of the same
// seconds knows: labels, peers, and what ran on the CPUs.
package exectrace

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/exp/trace"

	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

// ErrNotTrace is wrapped by errors about input that is no execution trace of Go 1.22 or later.
var ErrNotTrace = errors.New("no execution trace of Go 1.22 or later")

// Options bound what a trace may take; a limit that is 0 has its default. Reading ends at a limit, and what was read stands.
type Options struct {
	// Epoch is added to the trace's times to make them Unix ns: on Linux those are of CLOCK_MONOTONIC (runtime/tracetime.go). With
	// 0 it is what the trace says of its wall clock, which traces do since Go 1.25.
	Epoch      int64
	Bytes      int64 // of the trace, uncompressed; 256 MiB
	Pieces     int   // of all goroutines' lives, tasks, regions and stops; 10 million, which take some 600 MB
	Goroutines int   // 2 million
	Stacks     int   // different ones; 200,000
	Functions  int   // on them; 500,000, which take some 200 MB
}

// DefaultBytes is how much of a trace is read when nobody says.
const DefaultBytes = 256 << 20

func (l Options) orDefault() Options {
	if l.Bytes <= 0 {
		l.Bytes = DefaultBytes
	}
	if l.Pieces <= 0 {
		l.Pieces = 10 << 20
	}
	if l.Goroutines <= 0 {
		l.Goroutines = 2 << 20
	}
	if l.Stacks <= 0 {
		l.Stacks = 200_000
	}
	if l.Functions <= 0 {
		l.Functions = 500_000
	}
	return l
}

// Join adds what only a recording of the same seconds knows: labels, peers, what ran, and who had a CPU.
func (t *Trace) Join(rec *timeline.Timeline) error {
	if !t.Dated {
		return errors.New("neither the recording nor the trace says how their clocks relate: record with this version of mayfly")
	}
	if t.From >= rec.To || t.To <= rec.From {
		return fmt.Errorf("the trace is of other seconds: of %s, the recording of %s", t.window(), (&Trace{Timeline: rec}).window())
	}
	t.builder.Join(rec)
	return nil
}

func (t *Trace) window() string {
	clock := func(ns int64) string { return time.Unix(0, ns).UTC().Format("2006-01-02 15:04:05") }
	return clock(t.From) + " to " + clock(t.To)
}

// longest is the longest time that a trace may be of: what is counted by time needs memory by time.
const longest = 2 * time.Hour

// Trace is what was read of an execution trace.
type Trace struct {
	*timeline.Timeline
	builder *timeline.Builder
	// Unread says why the trace was not read to its end, "" if it was.
	Unread string
	// Events is how many were read.
	Events int
	// Dated says whether times are Unix ns, and not the trace's own.
	Dated bool
}

// reader turns events into pieces.
type reader struct {
	*timeline.Builder
	limits  Options
	live    map[trace.GoID]*goroutine
	stacks  map[trace.Stack]int32 // of this generation
	frames  []timeline.Frame
	stops   []stop
	spare   [][]timeline.Piece
	senders map[int64]*goroutine // by the goroutine of the connection
	tasks   map[trace.TaskID]int
	regions map[trace.GoID][]int
	pieces  int
	events  int
	epoch   int64
	first   int64
	now     int64
	states  struct{ running, runnable, syscall, coroutine, assist, stopped, unknown int32 }
}

// Read reads a trace, which may be compressed by gzip. A trace that is broken somewhere is read up to there.
func Read(r io.Reader, l Options) (*Trace, error) {
	l = l.orDefault()
	in, err := uncompressed(r)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotTrace, err)
	}
	counted := &io.LimitedReader{R: in, N: l.Bytes}
	x := newReader(l)
	unread, err := x.readAll(counted)
	if err != nil {
		return nil, err
	}
	if counted.N <= 0 {
		unread = fmt.Sprintf("the trace is longer than the limit of %d MiB", l.Bytes>>20)
	}
	return x.finish(unread)
}

// Is says whether data begins like an execution trace, compressed or not.
func Is(begin []byte) bool {
	if bytes.HasPrefix(begin, gzipMagic) {
		z, err := gzip.NewReader(bytes.NewReader(begin))
		if err != nil {
			return false
		}
		head := make([]byte, len(header))
		n, _ := io.ReadFull(z, head) // the rest of begin may be missing
		begin = head[:n]
	}
	return len(begin) >= len(header) && bytes.HasPrefix(begin, []byte(header[:len("go 1.")])) &&
		bytes.Contains(begin[:len(header)], []byte(" trace"))
}

// header is how a trace begins, with its version (internal/trace/tracev2).
const header = "go 1.22 trace\x00\x00\x00"

var gzipMagic = []byte{0x1f, 0x8b}

// uncompressed is the trace itself; its header is looked at.
func uncompressed(r io.Reader) (io.Reader, error) {
	in := bufio.NewReaderSize(r, 64<<10)
	if magic, _ := in.Peek(len(gzipMagic)); bytes.Equal(magic, gzipMagic) {
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, err
		}
		in = bufio.NewReaderSize(z, 64<<10)
	}
	begin, _ := in.Peek(len(header))
	if !Is(begin) {
		return nil, errors.New("it does not begin like one")
	}
	if string(begin) < header {
		return nil, fmt.Errorf("it is of an earlier one (%.7s)", begin)
	}
	return in, nil
}

// readAll reads events until there are no more, or one is broken. The library that decodes them is not trusted with what
// it has never seen: it may panic.
func (r *reader) readAll(in io.Reader) (unread string, err error) {
	defer func() {
		if p := recover(); p != nil {
			unread = fmt.Sprintf("the trace is broken: %.100s", fmt.Sprint(p))
		}
	}()
	events, err := trace.NewReader(in)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrNotTrace, err)
	}
	for {
		ev, err := events.ReadEvent()
		if errors.Is(err, io.EOF) {
			return "", nil
		}
		if err != nil {
			return fmt.Sprintf("the trace is broken: %.200s", oneLine(err)), nil
		}
		if why := r.full(&ev); why != "" {
			return why, nil
		}
		r.event(&ev)
	}
}

// full says which limit is reached, before an event is taken in.
func (r *reader) full(next *trace.Event) string {
	switch {
	case r.pieces >= r.limits.Pieces:
		return fmt.Sprintf("the trace has more than %d states of goroutines, tasks and regions", r.limits.Pieces)
	case len(r.live) >= r.limits.Goroutines || len(r.Tracks) >= r.limits.Goroutines:
		return fmt.Sprintf("the trace has more than %d goroutines", r.limits.Goroutines)
	case len(r.Stacks) >= r.limits.Stacks:
		return fmt.Sprintf("the trace has more than %d stacks", r.limits.Stacks)
	case len(r.Funcs) >= r.limits.Functions:
		return fmt.Sprintf("the trace has more than %d functions", r.limits.Functions)
	case r.events > 0 && r.time(next)-r.first > int64(longest):
		return fmt.Sprintf("the trace is longer than %s", longest)
	}
	return ""
}

func oneLine(err error) string {
	return string(bytes.ReplaceAll([]byte(err.Error()), []byte("\n"), []byte(" ")))
}

// finish closes what is open.
func (r *reader) finish(unread string) (*Trace, error) {
	if r.events == 0 || r.now <= r.first {
		if unread == "" {
			unread = "it is empty"
		}
		return nil, fmt.Errorf("%w: %s", ErrNotTrace, unread)
	}
	for id, g := range r.live {
		g.leave(r, r.now, 0, r.Nothing)
		g.send(r, r.now)
		delete(r.live, id)
		r.keep(g)
	}
	r.From, r.To = r.first, r.now
	for i := range r.Tasks {
		if k := &r.Tasks[i]; k.To == 0 {
			k.To = r.To + 1
		}
	}
	r.Settle()
	return &Trace{Timeline: r.Timeline, builder: r.Builder, Unread: unread, Events: r.events, Dated: r.epoch != 0}, nil
}
