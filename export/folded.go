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
		name, ok := c.next()
		if !ok {
			return
		}
		if n > 0 {
			out.WriteByte(';')
		}
		out.WriteString(name)
	}
}

// compareStacks orders samples by the names of their frames, the root first.
func compareStacks(a, b *profile.Sample) int {
	for x, y := rootOf(a), rootOf(b); ; {
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
		if c := strings.Compare(s, t); c != 0 {
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

// next returns the name of the next frame, false behind the last.
func (c *cursor) next() (name string, ok bool) {
	for len(c.lines) == 0 {
		last := len(c.locations) - 1
		if last < 0 {
			return "", false
		}
		c.lines, c.locations = c.locations[last].Line, c.locations[:last]
	}
	last := len(c.lines) - 1
	name, c.lines = frameName(c.lines[last].Function), c.lines[:last]
	return name, true
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
