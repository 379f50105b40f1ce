package export

import (
	"bufio"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/google/pprof/profile"
)

// writeFolded writes "root;...;leaf value" lines, sorted by frames, inlined frames expanded. The value is that
// of the profile's default sample type. Flame graph tools expect the root first. No line is kept in memory: together they are
// many times as large as the profile.
func writeFolded(w io.Writer, p *profile.Profile) error {
	column := defaultColumn(p)
	sorted := slices.Clone(p.Sample)
	slices.SortFunc(sorted, compareStacks)
	out := bufio.NewWriter(w)
	for len(sorted) > 0 {
		first, sum, n := sorted[0], int64(0), 0
		for n < len(sorted) && compareStacks(first, sorted[n]) == 0 {
			sum += sorted[n].Value[column]
			n++
		}
		if sorted = sorted[n:]; sum != 0 {
			writeStack(out, first)
			out.WriteString(" " + strconv.FormatInt(sum, 10) + "\n")
		}
	}
	return out.Flush()
}

func writeStack(out *bufio.Writer, s *profile.Sample) {
	for c, n := rootOf(s), 0; ; n++ {
		f, ok := c.next()
		if !ok {
			return
		}
		if n > 0 {
			out.WriteByte(';')
		}
		out.WriteString(frameName(f))
	}
}

// compareStacks orders samples by the names of their frames, the root first.
func compareStacks(a, b *profile.Sample) int {
	for x, y := rootOf(a), rootOf(b); ; {
		f, ok := x.next()
		g, also := y.next()
		switch {
		case !ok && !also:
			return 0
		case !ok:
			return -1
		case !also:
			return 1
		case f == g: // as all callers are that two stacks have in common
			continue
		}
		if c := strings.Compare(frameName(f), frameName(g)); c != 0 {
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

// next returns the function of the next frame, nil where it has none, and false behind the last.
func (c *cursor) next() (f *profile.Function, ok bool) {
	for len(c.lines) == 0 {
		last := len(c.locations) - 1
		if last < 0 {
			return nil, false
		}
		c.lines, c.locations = c.locations[last].Line, c.locations[:last]
	}
	last := len(c.lines) - 1
	f, c.lines = c.lines[last].Function, c.lines[:last]
	return f, true
}

var reserved = strings.NewReplacer(";", ":", "\n", " ")

// frameName keeps the two characters that have a meaning in the format out of names.
func frameName(f *profile.Function) string {
	if f == nil || f.Name == "" {
		return "[unknown]"
	}
	return reserved.Replace(f.Name)
}

// defaultColumn is the index of the default sample type; without one it is the last, as pprof has it.
func defaultColumn(p *profile.Profile) int {
	for i, t := range p.SampleType {
		if t.Type == p.DefaultSampleType {
			return i
		}
	}
	return len(p.SampleType) - 1
}
