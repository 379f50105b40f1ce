package export

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/samples"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// The processed profile format of profiler.firefox.com (docs-developer/CHANGELOG-formats.md of github.com/firefox-devtools/
// profiler). It reads all versions before its own; this one is the first whose threads share their tables.
const firefoxVersion = 60

// writeFirefox writes a thread for each column. Times are milliseconds, written with all their nanoseconds.
func writeFirefox(w io.Writer, p *profile.Profile, o Options) error {
	first, err := o.column(p)
	if err != nil {
		return err
	}
	x, err := sum(p, o.Labels)
	if err != nil {
		return fmt.Errorf("write firefox: %w", err)
	}
	f := &firefox{jsonWriter: newJSONWriter(w), sums: x, strings: make(map[string]int), files: make(map[string]int)}
	f.pointsOf(p, o.Labels)
	f.meta(p, first)
	f.WriteString(`"libs":[],"pages":[],"counters":[],"profilerOverhead":[],` + "\n\"threads\":")
	f.list(len(p.SampleType), func(c int) { f.thread(p.SampleType[c], c) })
	f.WriteString(",\n\"shared\":{")
	f.stackTable()
	f.frameTable()
	f.funcTable()
	f.WriteString(`"resourceTable":{"lib":[],"name":[],"host":[],"type":[],"length":0},` +
		`"nativeSymbols":{"libIndex":[],"address":[],"name":[],"functionSize":[],"length":0}}}` + "\n")
	return f.Flush()
}

// firefox is a file in the making.
type firefox struct {
	*jsonWriter
	*sums
	points         []point
	begin          int64 // Unix ns, 0: not known
	strings, files map[string]int
	names, sources []string
}

// point is what one thread has at one time.
type point struct {
	at     int64 // ns after the first
	leaf   int32
	values []int64
}

// endOf is when a sample was, Unix ns; 0: it does not say.
func endOf(s *profile.Sample) int64 {
	if end := s.NumLabel[sample.KeyEnd]; len(end) > 0 {
		return max(end[0], 0)
	}
	return 0
}

// pointsOf finds out when the samples were. Where nobody knows, equal stacks are added up and laid out evenly. Samples that do
// not say when they were are at the begin.
func (f *firefox) pointsOf(p *profile.Profile, labels []string) {
	f.begin = max(p.TimeNanos, 0)
	for _, s := range p.Sample {
		if end := endOf(s); end > 0 && (f.begin == 0 || end < f.begin) {
			f.begin = end
		}
	}
	if !slices.ContainsFunc(p.Sample, func(s *profile.Sample) bool { return endOf(s) > 0 }) {
		step := cmp.Or(max(p.DurationNanos, 0)/int64(len(f.leaves)+1), intervalOf(p))
		for i, leaf := range f.leaves {
			var values []int64
			for _, column := range f.values {
				values = append(values, column[i])
			}
			f.points = append(f.points, point{int64(i) * step, leaf, values})
		}
		return
	}
	for _, s := range p.Sample {
		f.points = append(f.points, point{max(endOf(s)-f.begin, 0), f.leaf(s, labels), s.Value})
	}
	slices.SortStableFunc(f.points, func(a, b point) int { return cmp.Compare(a.at, b.at) })
}

// intervalOf is the time between two samples, ns; 1 ms where the profile has none, as those of bytes.
func intervalOf(p *profile.Profile) int64 {
	if t := p.PeriodType; t != nil && p.Period > 0 {
		if ns := samples.Nanoseconds(t.Unit); ns > 0 && p.Period < math.MaxInt64/ns/int64(max(len(p.Sample), 1)) {
			return p.Period * ns
		}
	}
	return int64(time.Millisecond)
}

func (f *firefox) meta(p *profile.Profile, first int) {
	fmt.Fprintf(f, `{"meta":{"preprocessedProfileVersion":%d,"version":27,"product":"mayfly","importedFrom":"mayfly",`, firefoxVersion)
	f.WriteString(`"processType":0,"stackwalk":1,"debug":false,"symbolicated":true,"presymbolicated":true,"usesOnlyOneStackType":true,` +
		`"sourceCodeIsNotOnSearchfox":true,"keepProfileThreadOrder":true,"markerSchema":[],` +
		`"categories":[{"name":"Other","color":"grey","subcategories":["Other"]}],"interval":`)
	f.decimal(intervalOf(p), 6)
	f.WriteString(`,"startTime":`)
	f.decimal(f.begin, 6)
	f.WriteString(`,"initialVisibleThreads":`)
	f.list(len(p.SampleType), func(i int) { f.int(int64(i)) })
	fmt.Fprintf(f, `,"initialSelectedThreads":[%d]},`, first)
}

// thread writes the samples of a column.
func (f *firefox) thread(t *profile.ValueType, c int) {
	weightType, digits := firefoxUnit(t.Unit)
	var has []*point
	for i := range f.points {
		if f.points[i].values[c] != 0 {
			has = append(has, &f.points[i])
		}
	}
	f.WriteString(`{"processType":"default","processStartupTime":0,"processShutdownTime":null,"registerTime":0,"unregisterTime":null,` +
		`"pausedRanges":[],"showMarkersInTimeline":false,"pid":"0",`)
	fmt.Fprintf(f, `"isMainThread":%t,"tid":%d,"name":`, c == 0, c)
	f.text(valid(t.Type))
	fmt.Fprintf(f, `,"samples":{"length":%d,"weightType":"%s","weight":`, len(has), weightType)
	f.list(len(has), func(i int) { f.decimal(has[i].values[c], digits) })
	f.WriteString(`,"time":`)
	f.list(len(has), func(i int) { f.decimal(has[i].at, 6) })
	f.WriteString(`,"stack":`)
	f.list(len(has), func(i int) { f.index(has[i].leaf) })
	f.WriteString(`},"markers":{"length":0,"data":[],"name":[],"startTime":[],"endTime":[],"phase":[],"category":[]}}` + "\n")
}

// firefoxUnit is what a column weighs, and how many of its digits are behind the point, as decimal has it.
func firefoxUnit(unit string) (weightType string, digits int) {
	switch samples.Nanoseconds(unit) {
	case 1:
		return "tracing-ms", 6
	case 1e3:
		return "tracing-ms", 3
	case 1e6:
		return "tracing-ms", 0
	case 1e9:
		return "tracing-ms", -3
	}
	if unit == "bytes" {
		return unit, 0
	}
	return "samples", 0
}

// index writes the number of a node, null for none.
func (f *firefox) index(i int32) {
	if i < 0 {
		f.WriteString("null")
		return
	}
	f.int(int64(i))
}

// column writes a column of a table with the same in each row.
func (f *firefox) column(name string, n int, value string) {
	fmt.Fprintf(f, `"%s":`, name)
	f.list(n, func(int) { f.WriteString(value) })
	f.WriteByte(',')
}

func (f *firefox) stackTable() {
	fmt.Fprintf(f, `"stackTable":{"length":%d,"frame":`, len(f.nodes))
	f.list(len(f.nodes), func(i int) { f.int(int64(f.nodes[i].frame)) })
	f.WriteString(`,"prefix":`)
	f.list(len(f.nodes), func(i int) { f.index(f.nodes[i].parent) })
	f.WriteString("},\n")
}

// frameTable has the functions: a line within one makes no frame of its own.
func (f *firefox) frameTable() {
	n := len(f.frames)
	f.WriteString(`"frameTable":{`)
	f.column("address", n, "-1")
	for _, zero := range []string{"inlineDepth", "category", "subcategory"} {
		f.column(zero, n, "0")
	}
	for _, null := range []string{"nativeSymbol", "innerWindowID", "line", "column"} {
		f.column(null, n, "null")
	}
	f.WriteString(`"func":`)
	f.list(n, func(i int) { f.int(int64(i)) })
	fmt.Fprintf(f, `,"length":%d},`+"\n", n)
}

func (f *firefox) funcTable() {
	n := len(f.frames)
	f.WriteString(`"funcTable":{`)
	f.column("isJS", n, "false")
	f.column("relevantForJS", n, "false")
	f.column("resource", n, "-1")
	f.column("columnNumber", n, "null")
	f.WriteString(`"name":`)
	f.list(n, func(i int) { f.names = f.numbered(f.strings, f.names, f.frames[i].name) })
	f.WriteString(`,"source":`)
	f.list(n, func(i int) {
		if f.frames[i].file == "" {
			f.WriteString("null")
			return
		}
		f.sources = f.numbered(f.files, f.sources, f.frames[i].file)
	})
	f.WriteString(`,"lineNumber":`)
	f.list(n, func(i int) {
		if f.frames[i].line > 0 {
			f.int(f.frames[i].line)
			return
		}
		f.WriteString("null")
	})
	fmt.Fprintf(f, `,"length":%d},`+"\n"+`"sources":{`, n)
	f.column("uuid", len(f.sources), "null")
	f.WriteString(`"filename":`)
	f.list(len(f.sources), func(i int) { f.names = f.numbered(f.strings, f.names, f.sources[i]) })
	fmt.Fprintf(f, `,"length":%d},`+"\n"+`"stringArray":`, len(f.sources))
	f.list(len(f.names), func(i int) { f.text(f.names[i]) })
	f.WriteString(",\n")
}

// numbered writes the place of a text in a list, which it is added to if it is not there.
func (f *firefox) numbered(known map[string]int, list []string, s string) []string {
	i, ok := known[s]
	if !ok {
		i = len(list)
		known[s], list = i, append(list, s)
	}
	f.int(int64(i))
	return list
}
