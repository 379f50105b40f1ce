package export

import (
	"bufio"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/google/pprof/profile"
)

// writeFolded writes "root;...;leaf value" lines, sorted, inlined frames expanded. The value is that
// of the profile's default sample type. Flame graph tools expect the root first.
func writeFolded(w io.Writer, p *profile.Profile) error {
	column := defaultColumn(p)
	sums := make(map[string]int64)
	var line strings.Builder
	for _, s := range p.Sample {
		line.Reset()
		foldStack(&line, s)
		sums[line.String()] += s.Value[column]
	}
	stacks := make([]string, 0, len(sums))
	for stack, v := range sums {
		if v != 0 {
			stacks = append(stacks, stack)
		}
	}
	slices.Sort(stacks)
	out := bufio.NewWriter(w)
	for _, stack := range stacks {
		out.WriteString(stack)
		out.WriteByte(' ')
		out.WriteString(strconv.FormatInt(sums[stack], 10))
		out.WriteByte('\n')
	}
	return out.Flush()
}

func foldStack(line *strings.Builder, s *profile.Sample) {
	for i := len(s.Location) - 1; i >= 0; i-- {
		l := s.Location[i]
		for j := len(l.Line) - 1; j >= 0; j-- {
			if line.Len() > 0 {
				line.WriteByte(';')
			}
			line.WriteString(frameName(l.Line[j].Function))
		}
	}
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
