package diff

import (
	"fmt"
	"io"
	"math"

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
	columns := d.drawn()
	if len(columns) == 0 {
		return nil, fmt.Errorf("write pprof: %s", d.Verdict())
	}
	var all []*profile.Profile
	for s, side := range [][]*profile.Profile{d.Before, d.After} {
		for i, p := range side {
			part, err := d.scaled(p, s, i)
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
	p.DefaultSampleType = columns[0].Name
	p.Comments = []string{sample.CommentDiff + "=" + string(d.Outcome)}
	p.TimeNanos = 0
	return p, nil
}

// scaled keeps of p, the profile of a side with the number i, what is compared, times in ns, and scales it to its part of the
// difference.
func (d *Document) scaled(p *profile.Profile, side, i int) (*profile.Profile, error) {
	var keep []*weigher
	q := &profile.Profile{Mapping: p.Mapping, Location: p.Location, Function: p.Function,
		PeriodType: &profile.ValueType{Type: sample.ColumnCPU, Unit: "nanoseconds"}, Period: 1}
	for _, c := range d.drawn() {
		w, ok := c.weigher(p, side, i)
		if !ok {
			return nil, fmt.Errorf("no column %s in a profile that was compared by it", c.Name)
		}
		if side == older {
			w.worth *= -c.scaling / float64(len(d.Before))
		} else {
			w.worth /= float64(len(d.After))
		}
		keep = append(keep, w)
		q.SampleType = append(q.SampleType, &profile.ValueType{Type: w.name, Unit: w.unit})
	}
	for _, f := range p.Function {
		f.Name = FuncName(f.Name) // or the closures of two builds would not meet
		f.SystemName = f.Name
	}
	for _, s := range p.Sample {
		t := &profile.Sample{Location: s.Location, Label: s.Label, Value: make([]int64, len(keep))}
		for k, w := range keep {
			t.Value[k] = int64(math.Round(w.of(s)))
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
