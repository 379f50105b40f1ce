package export

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/samples"
	"github.com/mayfly-profiler/mayfly/internal/samples/hostile"
)

// firefoxFile is what the importer of profiler.firefox.com reads of the tables, as far as there is a reader in Go: its own
// code is in no registry. It has read these files in all its versions up to 70.
type firefoxFile struct {
	Meta struct {
		PreprocessedProfileVersion int
		InitialSelectedThreads     []int
		Interval, StartTime        float64
	}
	Threads []struct {
		Name    string
		Samples struct {
			Length       int
			WeightType   string
			Weight, Time []float64
			Stack        []*int
		}
	}
	Shared struct {
		StackTable struct {
			Length int
			Frame  []int
			Prefix []*int
		}
		FrameTable, FuncTable, Sources map[string]json.RawMessage
		StringArray                    []string
	}
}

// column reads a column of a table, which has to be as long as the table says.
func column[T any](t *testing.T, table map[string]json.RawMessage, name string) (list []T) {
	t.Helper()
	var length int
	if err := json.Unmarshal(table["length"], &length); err != nil {
		t.Fatal(err)
	}
	for key, raw := range table {
		var rows []any
		if key != "length" && (json.Unmarshal(raw, &rows) != nil || len(rows) != length) {
			t.Fatalf("column %s of a table of %d: %d rows", key, length, len(rows))
		}
	}
	if err := json.Unmarshal(table[name], &list); err != nil {
		t.Fatalf("column %s: %v", name, err)
	}
	return list
}

// names are the names of frames, by their number.
func (f *firefoxFile) names(t *testing.T) (names []string) {
	t.Helper()
	functions := column[int](t, f.Shared.FuncTable, "name")
	for _, fn := range column[int](t, f.Shared.FrameTable, "func") {
		names = append(names, f.Shared.StringArray[functions[fn]])
	}
	for _, source := range column[int](t, f.Shared.Sources, "filename") {
		_ = f.Shared.StringArray[source]
	}
	return names
}

// byStack adds a thread up, and sees that its time does not go back.
func (f *firefoxFile) byStack(t *testing.T, thread int, names []string) map[string]int64 {
	t.Helper()
	s, table := &f.Threads[thread].Samples, &f.Shared.StackTable
	if len(s.Weight) != s.Length || len(s.Time) != s.Length || len(s.Stack) != s.Length || !slices.IsSorted(s.Time) {
		t.Fatalf("%s: %d weights, %d times and %d stacks of %d", f.Threads[thread].Name, len(s.Weight), len(s.Time), len(s.Stack), s.Length)
	}
	scale := 1.0
	if s.WeightType == "tracing-ms" {
		scale = 1e6
	}
	sums := make(map[string]int64)
	for i := range s.Length {
		var stack []string
		for at := s.Stack[i]; at != nil; at = table.Prefix[*at] {
			if p := table.Prefix[*at]; p != nil && *p >= *at {
				t.Fatal("a caller behind what it calls")
			}
			stack = append(stack, names[table.Frame[*at]])
		}
		slices.Reverse(stack)
		sums[strings.Join(stack, "\n")] += int64(math.Round(s.Weight[i] * scale))
	}
	return sums
}

func TestFirefoxSums(t *testing.T) {
	for name, p := range recordings(t) {
		for _, labels := range [][]string{nil, {"request", "go.id"}} {
			var file bytes.Buffer
			if err := writeFirefox(&file, p, Options{Labels: labels}); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			var got firefoxFile
			if err := json.Unmarshal(file.Bytes(), &got); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			holdFirefox(t, fmt.Sprint(name, labels), &got, p, labels)
		}
	}
}

func holdFirefox(t *testing.T, name string, got *firefoxFile, p *profile.Profile, labels []string) {
	t.Helper()
	if n := len(got.Shared.StackTable.Frame); n != got.Shared.StackTable.Length || n != len(got.Shared.StackTable.Prefix) {
		t.Fatalf("%s: the stack table has %d rows of %d", name, n, got.Shared.StackTable.Length)
	}
	first, _ := Options{}.column(p)
	if v := got.Meta.PreprocessedProfileVersion; v != firefoxVersion || !slices.Equal(got.Meta.InitialSelectedThreads, []int{first}) {
		t.Errorf("%s: version %d, thread %v first, want %d", name, v, got.Meta.InitialSelectedThreads, first)
	}
	if len(got.Threads) != len(p.SampleType) {
		t.Fatalf("%s: %d threads of %d columns", name, len(got.Threads), len(p.SampleType))
	}
	names := got.names(t)
	for c, column := range p.SampleType {
		want := byStack(p, c, labels)
		for stack := range want {
			want[stack] *= max(samples.Nanoseconds(column.Unit), 1)
		}
		sameSums(t, name+", "+column.Type, got.byStack(t, c, names), want)
	}
}

// TestFirefoxTime: times are those that samples say, or one interval apart where nobody knows them and how long it took.
func TestFirefoxTime(t *testing.T) {
	for name, tt := range map[string]struct {
		interval, start float64
		times           []float64
	}{
		"some times":       {1, 1.7e12 + 1, []float64{0, 0, 1, 2}},
		"heap":             {1, 0, []float64{0, 1}},
		"count and period": {52.631578, 0, []float64{0, 52.631578}},
	} {
		var file bytes.Buffer
		if err := writeFirefox(&file, hostile.Others()[name], Options{}); err != nil {
			t.Fatal(err)
		}
		var got firefoxFile
		if err := json.Unmarshal(file.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		times := got.Threads[0].Samples.Time
		if got.Meta.Interval != tt.interval || got.Meta.StartTime != tt.start || !slices.Equal(times, tt.times) {
			t.Errorf("%s: every %v ms from %v on, at %v; want %+v", name, got.Meta.Interval, got.Meta.StartTime, times, tt)
		}
	}
}

func TestDecimal(t *testing.T) {
	for _, tt := range []struct {
		n      int64
		digits int
		want   string
	}{{0, 6, "0.000000"}, {1, 6, "0.000001"}, {-1, 6, "-0.000001"}, {1234567, 6, "1.234567"}, {-1234567, 3, "-1234.567"}, {7, 0, "7"},
		{7, -3, "7000"}, {0, -3, "0"},
		{math.MinInt64, 6, "-9223372036854.775808"}, {math.MaxInt64, 0, "9223372036854775807"}} {
		var b bytes.Buffer
		w := newJSONWriter(&b)
		w.decimal(tt.n, tt.digits)
		if w.Flush(); b.String() != tt.want {
			t.Errorf("%d: %s, want %s", tt.n, b.String(), tt.want)
		}
	}
}
