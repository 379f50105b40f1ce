package when

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/cost"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]Condition{
		"p99(endpoint=/fulfil)>800ms": {Stat: Quantile, Quantile: 0.99, Labels: []Label{{"endpoint", "/fulfil"}}, Op: ">", Bound: 800e6},
		" p99.9 ( a = b , c=d ) >= 1s": {Stat: Quantile, Quantile: 0.999, Labels: []Label{{"a", "b"}, {"c", "d"}},
			Op: ">=", Bound: 1e9},
		"mean(endpoint=/x,request)<1.5ms":  {Stat: Mean, Labels: []Label{{"endpoint", "/x"}}, By: "request", Op: "<", Bound: 1.5e6},
		`max(q="a, (b) \"c\"" , k=)<=10us`: {Stat: Max, Labels: []Label{{"q", `a, (b) "c"`}, {"k", ""}}, Op: "<=", Bound: 1e4},
		"count(job=x)>100":                 {Stat: Count, Labels: []Label{{"job", "x"}}, Op: ">", Bound: 100},
		"p50(url=http://h/?a=b)>0":         {Stat: Quantile, Quantile: 0.5, Labels: []Label{{"url", "http://h/?a=b"}}, Op: ">", Bound: 0},
		"max(request)>1m":                  {Stat: Max, By: "request", Op: ">", Bound: 60e9},
		"p99 > 800 ms":                     {Stat: Quantile, Quantile: 0.99, Op: ">", Bound: 800e6},
	} {
		c, err := Parse(text)
		if err != nil {
			t.Error(err)
			continue
		}
		if c.String() != text {
			t.Errorf("%q is printed as %q", text, c)
		}
		c.text, c.number, c.limit = "", "", ""
		if got, want := fmt.Sprintf("%+v", *c), fmt.Sprintf("%+v", want); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                       "no >",
		"p99":                    "no >",
		"p1e1>1s":                "not pNN",
		"p99(endpoint=/x":        "no ) after",
		"p99(endpoint":           "no ) after",
		"p99()>1s":               "without a key",
		"p99(=x)>1s":             "without a key",
		"p100(a=b)>1s":           "between p0 and p100",
		"pNaN(a=b)>1s":           "not pNN",
		"99(a=b)>1s":             "not pNN",
		"median(a=b)>1s":         "not pNN",
		"p99(a=b)1s":             "no >",
		"p99(a=b)=>1s":           "no >",
		"p99(a=b)>":              "no duration",
		"p99(a=b)>800":           "no duration",
		"p99(a=b)>-1s":           "no duration",
		"count(a=b)>1s":          "no number",
		"count(a=b)>NaN":         "no number",
		"p99(a,b)>1s":            "one at most",
		`p99(a="b)>1s`:           "does not end",
		`p99(a="b"c)>1s`:         "no , or )",
		strings.Repeat("p", 5e3): "too long",
		"p9(" + strings.Repeat("a=b,", 20) + "c=d)>1s": "too many",
	} {
		if c, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.40q: %+v, %v; want %q", text, c, err, want)
		}
	}
}

// A condition that is accepted means the same when it is written out and read again.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"p99(endpoint=/fulfil)>800ms", `max(q="a, (b)",r)<=10us`, "count(job=x)>1e3", "mean(a)>1s",
		"p0.1(=)>", `p1(a="\x00")>1s`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		cost.Small.Hold(t, func() {
			c, err := Parse(text)
			if err != nil {
				return
			}
			var labels []string
			for _, l := range c.Labels {
				if l.Key == "" {
					t.Fatalf("%q: a label without a key", text)
				}
				labels = append(labels, fmt.Sprintf("%s=%q", l.Key, l.Value))
			}
			if c.By != "" {
				labels = append(labels, c.By)
			}
			stat, bound := string(c.Stat), time.Duration(c.Bound).String()
			if c.Stat == Quantile {
				stat = "p" + strconv.FormatFloat(c.Quantile*100, 'f', -1, 64)
			}
			if c.Stat == Count {
				bound = fmt.Sprint(c.Bound)
			}
			set := ""
			if len(labels) > 0 {
				set = "(" + strings.Join(labels, ",") + ")"
			}
			again, err := Parse(stat + set + c.Op + bound)
			if err != nil {
				if strings.Contains(err.Error(), "too long") || strings.Contains(err.Error(), "between p0") {
					return // quoting makes it longer; 99.99999999999999 may round to 100
				}
				t.Fatalf("%q: %v", text, err)
			}
			same := func(d *Condition) bool {
				return slices.Equal(d.Labels, c.Labels) && d.By == c.By && d.Op == c.Op && d.Bound == c.Bound && d.Stat == c.Stat
			}
			if !same(again) {
				t.Fatalf("%q: %+v became %+v", text, c, again)
			}
			if again, err = Parse(c.written()); err != nil && !strings.Contains(err.Error(), "too long") || err == nil && !same(again) {
				t.Fatalf("%q: written as %q: %+v, %v", text, c.written(), again, err)
			}
		})
	})
}

// at is one interval of a goroutine, in ms of a recording.
type at struct {
	id       int64
	from, to int64
	labels   string // "k=v k=v"
}

// slice makes the timeline of a second that begins at the given one.
func slice(second int64, all ...at) *profile.Profile {
	p := &profile.Profile{TimeNanos: second * 1e9, DurationNanos: 1e9, SampleType: []*profile.ValueType{{Type: "samples", Unit: "count"},
		{Type: "wall", Unit: "nanoseconds"}}}
	for _, x := range all {
		s := &profile.Sample{Value: []int64{0, (x.to - x.from) * 1e6}, Label: map[string][]string{},
			NumLabel: map[string][]int64{"go.id": {x.id}, "end_timestamp_ns": {x.to * 1e6}}}
		for _, kv := range strings.Fields(x.labels) {
			if kv == "cpu" {
				s.Value[0] = 1
				continue
			}
			k, v, _ := strings.Cut(kv, "=")
			s.Label[k] = []string{v}
		}
		p.Sample = append(p.Sample, s)
	}
	return p
}

func latencies(w *Watch) (ms []int64) {
	for _, sp := range w.done {
		ms = append(ms, (sp.to-sp.from)/1e6)
	}
	slices.Sort(ms)
	return ms
}

func watch(t *testing.T, text string, back time.Duration) *Watch {
	t.Helper()
	c, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return NewWatch(c, back)
}

// A latency is the time in a row for which a goroutine carries the labels, across slices.
func TestSpans(t *testing.T) {
	w := watch(t, "p50(e=x)>10s", time.Minute)
	w.Add(slice(0,
		at{1, 100, 300, "e=x"}, at{1, 300, 350, "e=x s=run"}, // dies at 350
		at{2, 200, 400, "e=y"},
		at{3, 0, 100, "e=x"}, at{3, 100, 200, ""}, at{3, 200, 260, "e=x"}, at{3, 260, 1000, ""}, // two requests
		at{4, 700, 1000, "e=x"},
	))
	w.Add(slice(1, at{4, 1000, 1500, "e=x"}, at{3, 1000, 2000, ""}))
	if got := latencies(w); !slices.Equal(got, []int64{60, 100, 250}) {
		t.Errorf("after two slices: %v", got)
	}
	w.Add(slice(2))
	if got := latencies(w); !slices.Equal(got, []int64{60, 100, 250, 800}) {
		t.Errorf("after three slices: %v", got)
	}
}

// On-CPU samples are exact in time, the borders of the goroutine table's are not: what they say of the
// moments around a change of labels does not break a latency in pieces.
func TestSpansOverlap(t *testing.T) {
	w := watch(t, "p50(e=x)>10s", time.Minute)
	w.Add(slice(0,
		at{1, 50, 102, ""}, at{1, 91, 101, "cpu e=x"}, // labels set at 100, the next scan sees them
		at{1, 102, 203, "e=x"}, at{1, 191, 201, "cpu"}, at{1, 203, 300, ""}, // and unset at 200
	))
	if got := latencies(w); !slices.Equal(got, []int64{203 - 91}) {
		t.Errorf("latencies %v", got)
	}
}

// With a bare label the goroutines that share its value have one latency.
func TestSpansByLabel(t *testing.T) {
	w := watch(t, "p50(e=x,r)>10s", time.Minute)
	w.Add(slice(0, at{1, 100, 300, "e=x r=1"}, at{2, 250, 500, "e=x r=1"}, at{3, 0, 900, "e=x r=2"}, at{4, 0, 999, "e=x"},
		at{1, 300, 1000, ""}))
	w.Add(slice(1))
	if got := latencies(w); !slices.Equal(got, []int64{400, 900}) {
		t.Errorf("latencies %v", got)
	}
}

func TestWatch(t *testing.T) {
	ten := make([]at, 10) // 10, 20, ... 100 ms
	for i := range ten {
		ten[i] = at{int64(i), 0, int64(10 * (i + 1)), "e=x"}
	}
	for text, want := range map[string]string{
		"p50(e=x)>=50ms": "p50(e=x)>=50ms: 50ms of 10", "p50(e=x)>50ms": "", "p90(e=x)<91ms": "p90(e=x)<91ms: 90ms of 10",
		"p99(e=x)>99ms":  "p99(e=x)>99ms: 100ms of 10",
		"mean(e=x)>54ms": "mean(e=x)>54ms: 55ms of 10", "mean(e=x)>55ms": "", "max(e=x)<=100ms": "max(e=x)<=100ms: 100ms of 10",
		"count(e=x)>9": "count(e=x)>9: 10", "count(e=x)>10": "", "count(e=y)<1": "count(e=y)<1: 0", "p99(e=y)<1h": "",
	} {
		w := watch(t, text, time.Minute)
		w.Add(slice(0, ten...))
		if got := w.Add(slice(1)); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

// What hangs counts before it ends, once it is beyond the bound; what has ended is forgotten after
// a while, and after a report.
func TestWatchForgets(t *testing.T) {
	w := watch(t, "max(e=x)>1.5s", 3*time.Second)
	for i := range int64(3) {
		got := w.Add(slice(i, at{1, 1000 * i, 1000 * (i + 1), "e=x"}))
		if (got != "") != (i > 0) {
			t.Errorf("second %d: %q", i, got)
		}
	}
	if w.Add(slice(3)) == "" || w.Add(slice(4)) == "" {
		t.Error("it has ended, and is within the time looked back")
	}
	if got := w.Add(slice(7)); got != "" {
		t.Errorf("it ended long ago: %q", got)
	}
	w.Add(slice(8, at{2, 8000, 11000, "e=x"}))
	if w.Add(slice(11)) == "" {
		t.Error("the second one")
	}
	w.Reset()
	if got := w.Add(slice(12)); got != "" {
		t.Errorf("after a report: %q", got)
	}
}

// Whatever a profile holds, it does no harm.
func TestWatchHostile(t *testing.T) {
	w := watch(t, "max(e=x)>1s", time.Second)
	p := slice(0, at{1, 500, 100, "e=x"})
	p.Sample = append(p.Sample, &profile.Sample{}, &profile.Sample{NumLabel: map[string][]int64{"go.id": {1}, "end_timestamp_ns": {5}}})
	w.Add(p)
	w.Add(&profile.Profile{Sample: p.Sample})
}
