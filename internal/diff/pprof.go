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
			all = append(all, d.scaled(p, s, len(side)))
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

// scaled keeps of p what is compared, and scales it to its part of the difference.
func (d *Document) scaled(p *profile.Profile, side, repeats int) *profile.Profile {
	var keep []int
	var ratios []float64
	q := &profile.Profile{Mapping: p.Mapping, Location: p.Location, Function: p.Function,
		PeriodType: &profile.ValueType{Type: sample.ColumnCPU, Unit: "nanoseconds"}, Period: 1}
	for _, c := range d.Columns {
		i := slices.IndexFunc(p.SampleType, func(t *profile.ValueType) bool { return Clean(t.Type) == c.Name && t.Unit == "nanoseconds" })
		ratio := 1 / float64(repeats)
		if side == older {
			ratio *= -c.scaling
		}
		keep, ratios = append(keep, i), append(ratios, ratio)
		q.SampleType = append(q.SampleType, p.SampleType[i])
	}
	for _, f := range p.Function {
		f.Name = FuncName(f.Name) // or the closures of two builds would not meet
		f.SystemName = f.Name
	}
	for _, s := range p.Sample {
		t := &profile.Sample{Location: s.Location, Label: s.Label, Value: make([]int64, len(keep))}
		for k, i := range keep {
			t.Value[k] = int64(float64(s.Value[i]) * ratios[k])
		}
		if side == older {
			t.Label = withBase(t.Label)
		}
		q.Sample = append(q.Sample, t)
	}
	return q
}

// withBase adds the label by which pprof knows the base.
func withBase(labels map[string][]string) map[string][]string {
	marked := map[string][]string{"pprof::base": {"true"}}
	for k, v := range labels {
		marked[k] = v
	}
	return marked
}
