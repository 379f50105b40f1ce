package diff

import (
	"fmt"
	"io"
	"slices"

	"github.com/google/pprof/profile"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// writePprof writes new minus base as go tool pprof -diff_base does it: the base side's samples are
// negative and marked, so that percentages are of the base. Both sides are means of one profile,
// and the base is brought to the new side's scale first: by the same numbers that the tables use.
func writePprof(w io.Writer, d *Document) error {
	p, err := d.difference()
	if err != nil {
		return err
	}
	return p.Write(w)
}

func (d *Document) difference() (*profile.Profile, error) {
	if len(d.Columns) == 0 {
		return nil, fmt.Errorf("write pprof: %s", d.Verdict())
	}
	var all []*profile.Profile
	for s, side := range [][]*profile.Profile{d.Before, d.After} {
		for _, p := range side {
			part, err := d.scaled(p, s, len(side))
			if err != nil {
				return nil, fmt.Errorf("write pprof: %w", err)
			}
			all = append(all, part)
		}
	}
	p, err := profile.Merge(all)
	if err != nil {
		return nil, fmt.Errorf("write pprof: %w", err)
	}
	p.DefaultSampleType = d.Columns[0].Name
	p.Comments = []string{sample.CommentDiff + "=" + string(d.Outcome)}
	p.TimeNanos = 0
	return p, nil
}

// scaled keeps of p what is compared, times in ns, and scales it to its part of the difference.
func (d *Document) scaled(p *profile.Profile, side, repeats int) (*profile.Profile, error) {
	var keep []column
	q := &profile.Profile{Mapping: p.Mapping, Location: p.Location, Function: p.Function,
		PeriodType: &profile.ValueType{Type: sample.ColumnCPU, Unit: "nanoseconds"}, Period: 1}
	all := columnsOf(p)
	for _, c := range d.Columns {
		i := slices.IndexFunc(all, func(o column) bool { return o.name == c.Name })
		if i < 0 {
			return nil, fmt.Errorf("no column %s in a profile that was compared by it", c.Name)
		}
		k := all[i]
		k.worth /= float64(repeats)
		if side == older {
			k.worth *= -c.scaling
		}
		keep = append(keep, k)
		q.SampleType = append(q.SampleType, &profile.ValueType{Type: k.name, Unit: k.unit})
	}
	for _, f := range p.Function {
		f.Name = FuncName(f.Name) // or the closures of two builds would not meet
		f.SystemName = f.Name
	}
	for _, s := range p.Sample {
		t := &profile.Sample{Location: s.Location, Label: s.Label, Value: make([]int64, len(keep))}
		for i, k := range keep {
			t.Value[i] = int64(float64(s.Value[k.value]) * k.worth)
		}
		if side == older {
			t.Label = withBase(t.Label)
		}
		q.Sample = append(q.Sample, t)
	}
	return q, nil
}

// withBase adds the label by which pprof knows the base.
func withBase(labels map[string][]string) map[string][]string {
	marked := map[string][]string{"pprof::base": {"true"}}
	for k, v := range labels {
		marked[k] = v
	}
	return marked
}
