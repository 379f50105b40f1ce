// Package collector reads what OpenTelemetry's Collector has of a profile that mayfly sent it, with the Collector's own types, and
// compares it with the file, sample by sample.
package collector

import (
	"cmp"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/google/pprof/profile"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pprofile"
)

// Columns are the sums of a profile's equal samples: by type and unit, and then by what is in a sample besides values.
type Columns map[string]map[string]int64

func (c Columns) add(column, sample string, n int64) {
	if c[column] == nil {
		c[column] = make(map[string]int64)
	}
	if n != 0 {
		c[column][sample] += n
	}
}

// Add adds what arrived.
func (c Columns) Add(all pprofile.Profiles) {
	d := dictionary{all.Dictionary()}
	for _, ofResource := range all.ResourceProfiles().All() {
		for _, scoped := range ofResource.ScopeProfiles().All() {
			for _, p := range scoped.Profiles().All() {
				column := d.text(p.SampleType().TypeStrindex()) + "/" + d.text(p.SampleType().UnitStrindex())
				c.add(column, "", 0) // also without a sample
				for _, s := range p.Samples().All() {
					times := s.TimestampsUnixNano()
					for i, v := range s.Values().All() {
						at := "" // a sample of a moment is another one
						if times.Len() > 0 {
							at = fmt.Sprintf("at %d\n", times.At(i))
						}
						c.add(column, at+d.sample(s), v)
					}
				}
			}
		}
	}
}

// dictionary resolves indices.
type dictionary struct{ pprofile.ProfilesDictionary }

func (d dictionary) text(i int32) string { return d.StringTable().At(int(i)) }

func (d dictionary) sample(s pprofile.Sample) string {
	var b strings.Builder
	for _, l := range d.StackTable().At(int(s.StackIndex())).LocationIndices().All() {
		location := d.LocationTable().At(int(l))
		m := d.MappingTable().At(int(location.MappingIndex()))
		fmt.Fprintf(&b, "%x of %x-%x+%x %q\n", location.Address(), m.MemoryStart(), m.MemoryLimit(), m.FileOffset(),
			d.text(m.FilenameStrindex()))
		for _, line := range location.Lines().All() {
			f := d.FunctionTable().At(int(line.FunctionIndex()))
			fmt.Fprintf(&b, "\t%q %q %q:%d:%d from %d\n", d.text(f.NameStrindex()), d.text(f.SystemNameStrindex()),
				d.text(f.FilenameStrindex()), line.Line(), line.Column(), f.StartLine())
		}
	}
	var labels []string
	for _, i := range s.AttributeIndices().All() {
		a := d.AttributeTable().At(int(i))
		labels = append(labels, fmt.Sprintf("%q=%s%s", d.text(a.KeyStrindex()), valueText(a.Value()), d.text(a.UnitStrindex())))
	}
	slices.Sort(labels)
	link := d.LinkTable().At(int(s.LinkIndex()))
	trace, span := link.TraceID(), link.SpanID()
	return b.String() + strings.Join(labels, "\n") + fmt.Sprintf("\nlink %x %x", trace[:], span[:])
}

// valueText has a value and what kind it is, in an array or not.
func valueText(v pcommon.Value) string {
	switch v.Type() {
	case pcommon.ValueTypeSlice:
		var all []string
		for _, e := range v.Slice().All() {
			all = append(all, valueText(e))
		}
		return strings.Join(all, ",")
	case pcommon.ValueTypeStr:
		return fmt.Sprintf("%q", v.Str())
	}
	return v.AsString()
}

// Of is the same of a file that was sent.
func Of(p *profile.Profile) Columns {
	c := make(Columns)
	for i, t := range p.SampleType {
		column := t.Type + "/" + t.Unit
		c.add(column, "", 0)
		for _, s := range p.Sample {
			c.add(column, sampleOf(s), s.Value[i])
		}
	}
	return c
}

func sampleOf(s *profile.Sample) string {
	var b strings.Builder
	if end := s.NumLabel["end_timestamp_ns"]; len(end) > 0 {
		fmt.Fprintf(&b, "at %d\n", end[0])
	}
	for _, l := range s.Location {
		m := l.Mapping
		if m == nil {
			m = new(profile.Mapping)
		}
		fmt.Fprintf(&b, "%x of %x-%x+%x %q\n", l.Address, m.Start, m.Limit, m.Offset, m.File)
		for _, line := range l.Line {
			f := line.Function
			name := cmp.Or(f.Name, f.SystemName) // a name is for people
			fmt.Fprintf(&b, "\t%q %q %q:%d:%d from %d\n", name, f.SystemName, f.Filename, line.Line, line.Column, f.StartLine)
		}
	}
	return b.String() + strings.Join(labelsOf(s), "\n") + "\nlink " + linkOf(s)
}

func labelsOf(s *profile.Sample) (all []string) {
	for _, key := range slices.Sorted(maps.Keys(s.Label)) {
		var values []string
		for _, v := range s.Label[key] {
			values = append(values, fmt.Sprintf("%q", v))
		}
		all = append(all, fmt.Sprintf("%q=%s", key, strings.Join(values, ",")))
	}
	for key, list := range s.NumLabel {
		if _, twice := s.Label[key]; twice || key == "end_timestamp_ns" { // keys of attributes are unique
			continue
		}
		var values []string
		for _, n := range list {
			values = append(values, fmt.Sprint(n))
		}
		all = append(all, fmt.Sprintf("%q=%s%s", key, strings.Join(values, ","), strings.Join(s.NumUnit[key][:min(1, len(s.NumUnit[key]))], "")))
	}
	slices.Sort(all)
	return all
}

// linkOf is the link to a span that labels name, as OpenTelemetry writes ids.
func linkOf(s *profile.Sample) string {
	id := func(key string, bytes int) string {
		text := strings.Join(s.Label[key], ",")
		if b, err := hex.DecodeString(text); err != nil || len(b) != bytes {
			return ""
		}
		return text
	}
	trace, span := id("trace_id", 16), id("span_id", 8)
	if trace == "" || span == "" {
		return strings.Repeat("0", 32) + " " + strings.Repeat("0", 16)
	}
	return trace + " " + span
}

// Read adds what the Collector's file exporter wrote as JSON: one message after the other, also where it was killed before a newline.
func (c Columns) Read(r io.Reader) error {
	messages := json.NewDecoder(r)
	for {
		var message json.RawMessage
		if err := messages.Decode(&message); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		all, err := new(pprofile.JSONUnmarshaler).UnmarshalProfiles(message)
		if err != nil {
			return err
		}
		c.Add(all)
	}
}

// Diff says where two differ, "" if they do not.
func (c Columns) Diff(want Columns) string {
	if !slices.Equal(slices.Sorted(maps.Keys(c)), slices.Sorted(maps.Keys(want))) {
		return fmt.Sprintf("columns %q, want %q", slices.Sorted(maps.Keys(c)), slices.Sorted(maps.Keys(want)))
	}
	for column, samples := range want {
		for sample, n := range samples {
			if c[column][sample] != n {
				return fmt.Sprintf("%s: %d, want %d of the sample\n%s", column, c[column][sample], n, sample)
			}
		}
		if len(c[column]) != len(samples) {
			return fmt.Sprintf("%s: %d samples, want %d", column, len(c[column]), len(samples))
		}
	}
	return ""
}

// Sum is that of a column, and of how many samples.
func (c Columns) Sum(column string) (sum int64, samples int) {
	for _, n := range c[column] {
		sum += n
	}
	return sum, len(c[column])
}
