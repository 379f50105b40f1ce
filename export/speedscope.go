package export

import (
	"fmt"
	"io"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/samples"
)

// The file format of speedscope, https://www.speedscope.app/file-format-schema.json.

// writeSpeedscope writes a profile of each column, equal stacks added up: speedscope's order of time is that of one thread,
// and a program has many. What it shows are JavaScript's numbers, exact up to 2^53.
func writeSpeedscope(w io.Writer, p *profile.Profile, o Options) error {
	first, err := o.column(p)
	if err != nil {
		return err
	}
	x, err := sum(p, o.Labels)
	if err != nil {
		return fmt.Errorf("write speedscope: %w", err)
	}
	out := newJSONWriter(w)
	out.WriteString(`{"$schema":"https://www.speedscope.app/file-format-schema.json","exporter":"mayfly","name":"mayfly",`)
	fmt.Fprintf(out, `"activeProfileIndex":%d,"shared":{"frames":`, first)
	out.list(len(x.frames), func(i int) { x.frames[i].speedscope(out) })
	out.WriteString("},\n\"profiles\":")
	out.list(len(p.SampleType), func(c int) { x.speedscopeColumn(out, p.SampleType[c], c) })
	out.WriteString("}\n")
	return out.Flush()
}

func (f frame) speedscope(out *jsonWriter) {
	out.WriteString(`{"name":`)
	out.text(f.name)
	if f.file != "" {
		out.WriteString(`,"file":`)
		out.text(f.file)
	}
	if f.line > 0 {
		out.WriteString(`,"line":`)
		out.int(f.line)
	}
	out.WriteByte('}')
}

// speedscopeColumn writes the profile of a column.
func (x *sums) speedscopeColumn(out *jsonWriter, t *profile.ValueType, c int) {
	var has []int // stacks that weigh anything in this column
	for i, v := range x.values[c] {
		if v > 0 {
			has = append(has, i)
		}
	}
	out.WriteString(`{"type":"sampled","name":`)
	out.text(valid(t.Type))
	fmt.Fprintf(out, `,"unit":"%s","startValue":0,"endValue":%d,"samples":`, speedscopeUnit(t.Unit), x.totals[c])
	var path []int32
	out.list(len(has), func(i int) {
		path = x.path(path[:0], x.leaves[has[i]])
		out.list(len(path), func(i int) { out.int(int64(path[i])) })
	})
	out.WriteString(`,"weights":`)
	out.list(len(has), func(i int) { out.int(x.values[c][has[i]]) })
	out.WriteString("}\n")
}

// speedscopeUnit is a unit of a profile in speedscope's words.
func speedscopeUnit(unit string) string {
	switch samples.Nanoseconds(unit) {
	case 1:
		return "nanoseconds"
	case 1e3:
		return "microseconds"
	case 1e6:
		return "milliseconds"
	case 1e9:
		return "seconds"
	}
	if unit == "bytes" {
		return unit
	}
	return "none"
}
