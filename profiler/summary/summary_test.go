package summary

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

var update = flag.Bool("update", false, "write the golden files anew")

// each calls f with every field of a summary, and its key.
func each(group reflect.Value, f func(key string, field reflect.Value)) {
	for i := range group.NumField() {
		if t := group.Type().Field(i); t.Anonymous {
			each(group.Field(i), f)
		} else {
			f(t.Tag.Get("json"), group.Field(i))
		}
	}
}

// full has something else in every field.
func full() *Summary {
	var s Summary
	each(reflect.ValueOf(&s).Elem(), func(key string, field reflect.Value) {
		switch field.Interface().(type) {
		case string:
			field.SetString(key)
		case []string:
			field.Set(reflect.ValueOf([]string{key, "b"}))
		case float64:
			field.SetFloat(float64(len(key)) + float64(key[0])/256)
		case []sample.Life:
			field.Set(reflect.ValueOf([]sample.Life{{Below: time.Millisecond, Seen: 120, At100: 11}, {Seen: 2, At100: 1}}))
		case []sample.Lifetimes:
			field.Set(reflect.ValueOf([]sample.Lifetimes{
				{Ended: 4, P50: 2e6, P99: -1, Unknown: 1, Unseen: 7, Bins: []sample.LifetimeBin{{Below: 1 << 17, Ended: 3, Alive: 2}}},
				{Key: "k", Value: "v"},
			}))
		case []sample.LabelTrap:
			field.Set(reflect.ValueOf([]sample.LabelTrap{
				{Kind: sample.TrapKept, CreatedBy: "main.grow main.go:58", Label: "k", Value: "v", Goroutines: 2, Time: 3e9, Usual: 5e6},
				{Kind: sample.TrapTimer, CreatedBy: "time.goFunc sleep.go:215", Time: 2e9, CPU: 1e9},
			}))
		case []sample.ExactCPU:
			field.Set(reflect.ValueOf([]sample.ExactCPU{
				{Kind: sample.CPUOfLabels, Labels: []sample.Label{{Key: "k", Value: "v"}}, CPU: 1234567890, Error: 1200000, Stints: 120},
				{Kind: sample.CPUOfProbes, CPU: 5e6, Error: 1e3},
			}))
		case []sample.EventCount:
			field.Set(reflect.ValueOf([]sample.EventCount{{Name: "page-faults", Count: 52340, Samples: 9980, Lost: 12, Counted: 0.5}}))
		case []sample.AcceptQueue:
			field.Set(reflect.ValueOf([]sample.AcceptQueue{{Addr: "0.0.0.0:80", Ticks: 500, Waiting: 450, Sum: 5600, Most: 34}}))
		default:
			field.SetInt(int64(len(key))*1000 + int64(key[0]))
		}
	})
	return &s
}

// What programs of others read does not change: keys, their order, how values are written. New keys are added by -update.
func TestGolden(t *testing.T) {
	s := full()
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	comments := strings.Join(s.Comments(), "\n")
	for name, got := range map[string]string{"summary.json": string(text), "comments.txt": comments} {
		path := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(path, []byte(got+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got != strings.TrimSpace(string(want)) {
			t.Errorf("%s: %s", name, got)
		}
	}
	var back Summary
	if err := json.Unmarshal(text, &back); err != nil || !reflect.DeepEqual(&back, s) {
		t.Errorf("read back: %v, %+v", err, back)
	}
}

// A comment has the same key and value with its mark and without it, as in recordings of before.
func TestComment(t *testing.T) {
	for _, mark := range []string{"", sample.CommentMark} {
		if key, value := sample.Comment(mark + sample.CommentPrefix + "settings=GOGC=off"); key != "mayfly.settings" || value != "GOGC=off" {
			t.Errorf("mark %q: %q, %q", mark, key, value)
		}
	}
}

// In a file, go tool pprof prints the comments that begin with something else than "#" above its tables.
func TestShown(t *testing.T) {
	p := &profile.Profile{Comments: full().Comments(), SampleType: []*profile.ValueType{{Type: "cpu", Unit: "nanoseconds"}}}
	var b bytes.Buffer
	if err := p.Write(&b); err != nil {
		t.Fatal(err)
	}
	p, err := profile.Parse(&b)
	if err != nil {
		t.Fatal(err)
	}
	var above []string
	for _, c := range p.Comments {
		if !strings.HasPrefix(c, "#") {
			key, _ := sample.Comment(c)
			above = append(above, strings.TrimPrefix(key, sample.CommentPrefix))
		}
	}
	if !reflect.DeepEqual(above, shown) {
		t.Errorf("%q, want %q", above, shown)
	}
}

// No field is forgotten: two halves that are the same make a whole that has something in each.
func TestMergeHasAll(t *testing.T) {
	var s Summary
	s.Merge(full(), 0.5)
	s.Merge(full(), 0.5)
	want := full()
	want.RateReached = float64(2*(want.Samples+want.CPU.Lost)) / (float64(2*want.Profiled) / 1e9)
	once := map[string]bool{}
	for _, key := range []string{"rate_asked_hz", "table_first_ns", "table_slowest_ns", "epoch_ns", "gomaxprocs", "cpus", "goroutines_idle",
		"stw_gc_max_ns", "stw_other_max_ns", "self_rss_bytes", "attach_ns", "pid"} {
		once[key] = true
	}
	each(reflect.ValueOf(want).Elem(), func(key string, field reflect.Value) {
		if field.CanInt() && !once[key] {
			field.SetInt(2 * field.Int())
		}
	})
	for i := range want.Events.Counts {
		c := &want.Events.Counts[i]
		c.Count, c.Samples, c.Lost = 2*c.Count, 2*c.Samples, 2*c.Lost
	}
	for i := range want.Lives {
		want.Lives[i].Seen *= 2
		want.Lives[i].At100 *= 2
	}
	want.Traps[1].Time *= 2
	want.Traps[1].CPU *= 2
	want.Queues[0].Add(want.Queues[0])
	for i := range want.Exact.Sets {
		want.Exact.Sets[i].CPU *= 2
		want.Exact.Sets[i].Error *= 2
		want.Exact.Sets[i].Stints *= 2
	}
	if !reflect.DeepEqual(&s, want) {
		t.Errorf("%+v\nwant %+v", &s, want)
	}
}

// The largest of the largest stays, and what one slice does not know nobody knows.
func TestMergeUnknown(t *testing.T) {
	var s Summary
	s.Merge(&Summary{GC: GC{Mark: 3, Stops: 4, StopMax: 9}, Table: Table{First: -1, Slowest: 9}, Denied: []string{"sight"}}, 0.5)
	s.Merge(&Summary{GC: GC{Mark: 4, Stops: -1, StopMax: 8}, Table: Table{First: 8, Slowest: 7}, Denied: []string{"sight", "hearing"}}, 0.5)
	if s.GC != (GC{Mark: 7, Stops: -1, StopMax: 9}) || s.Table.First != 8 || s.Table.Slowest != 9 {
		t.Errorf("%+v", s)
	}
	if !reflect.DeepEqual(s.Denied, []string{"sight", "hearing"}) {
		t.Errorf("denied %q", s.Denied)
	}
}
