package export

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/samples"
)

// writeFolded writes "root;...;leaf value" lines, sorted by frames, inlined frames expanded, labels before the root. Flame
// graph tools expect the root first. No line is kept in memory: together they are many times as large as the profile.
func writeFolded(w io.Writer, p *profile.Profile, o Options) error {
	column, err := o.column(p)
	if err != nil {
		return err
	}
	if column >= 0 {
		if _, err := total(p, column); err != nil {
			return fmt.Errorf("write folded: %w", err)
		}
	}
	sorted := foldedStacks(p, o.Labels)
	out := bufio.NewWriter(w)
	for len(sorted) > 0 {
		first, sum, n := sorted[0], int64(0), 0
		for n < len(sorted) && compareStacks(first, sorted[n]) == 0 {
			sum += sorted[n].sample.Value[column]
			n++
		}
		if sorted = sorted[n:]; sum != 0 {
			writeStack(out, first)
			out.WriteString(" " + strconv.FormatInt(sum, 10) + "\n")
		}
	}
	return out.Flush()
}

// foldedStack is a sample behind what is written before its root.
type foldedStack struct {
	labels string // joined, with a ";" at the end
	sample *profile.Sample
}

func foldedStacks(p *profile.Profile, labels []string) []foldedStack {
	stacks := make([]foldedStack, len(p.Sample))
	known := make(map[string]string) // many samples have the same labels
	var b []byte
	for i, s := range p.Sample {
		b = b[:0]
		for _, key := range labels {
			b = append(append(b, reserved.Replace(labelFrame(s, key))...), ';')
		}
		joined, ok := known[string(b)]
		if !ok {
			joined = string(b)
			known[joined] = joined
		}
		stacks[i] = foldedStack{joined, s}
	}
	slices.SortFunc(stacks, compareStacks)
	return stacks
}

// noStack is the frame of a sample that has none: of a line that begins with the number, tools make a frame without a name, or they
// leave it out.
const noStack = "[no stack]"

func writeStack(out *bufio.Writer, s foldedStack) {
	out.WriteString(s.labels)
	for c, n := rootOf(s.sample), 0; ; n++ {
		f, ok := c.next()
		if !ok && n == 0 {
			out.WriteString(noStack)
		}
		if !ok {
			return
		}
		if n > 0 {
			out.WriteByte(';')
		}
		out.WriteString(foldedName(f))
	}
}

// compareStacks orders samples by the names of their frames, the root first.
func compareStacks(a, b foldedStack) int {
	if c := cmp.Compare(a.labels, b.labels); c != 0 {
		return c
	}
	for x, y := rootOf(a.sample), rootOf(b.sample); ; {
		s, ok := x.next()
		t, also := y.next()
		switch {
		case !ok && !also:
			return 0
		case !ok:
			return -1
		case !also:
			return 1
		}
		if s == t || s.at != nil && t.at != nil && s.at.Mapping == t.at.Mapping {
			continue
		}
		if c := strings.Compare(foldedName(s), foldedName(t)); c != 0 {
			return c
		}
	}
}

// cursor goes from the root of a stack to its leaf.
type cursor struct {
	locations []*profile.Location
	lines     []profile.Line
}

func rootOf(s *profile.Sample) cursor { return cursor{locations: s.Location} }

// called is a function, or the location of one that nobody knows.
type called struct {
	function *profile.Function
	at       *profile.Location
}

// next returns the next function, false behind the last.
func (c *cursor) next() (f called, ok bool) {
	for len(c.lines) == 0 {
		last := len(c.locations) - 1
		if last < 0 {
			return called{}, false
		}
		l := c.locations[last]
		c.locations = c.locations[:last]
		if c.lines = l.Line; len(l.Line) == 0 {
			return called{at: l}, true
		}
	}
	last := len(c.lines) - 1
	f.function, c.lines = c.lines[last].Function, c.lines[:last]
	return f, true
}

func foldedName(f called) string {
	if f.at != nil {
		return reserved.Replace(valid(samples.Unnamed(f.at)))
	}
	return reserved.Replace(frameName(f.function))
}

// reserved keeps the two characters that have a meaning in the format out of names.
var reserved = strings.NewReplacer(";", ":", "\n", " ")
