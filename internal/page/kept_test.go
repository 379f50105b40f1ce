package page

import (
	"fmt"
	"io"
	"maps"
	"runtime/pprof"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/chrome"
	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

// keep keeps, one after the other, each value of each label, some functions, and each frame of labels in the graph, in each
// column. It says what the page shows then: of labels and functions by name, of frames where it is not what the frame showed.
const keep = `(() => {
  const kept = {}, others = [], { m } = page, all = () => page.sides[0].all;
  const only = (...filters) => { page.chosen.filters = filters; page.update(); return all(); };
  page.table.show = page.words = page.graph.show = page.mark = () => {}; // nobody looks
  const names = (list) => list.slice(0, 12);
  m.columns.forEach((column, c) => {
    page.chosen.column = c;
    kept[c + " all"] = only();
    for (const [key, values] of m.keys) for (const text of names([...values])) {
      const sum = only({ key, text, exact: true });
      kept[[c, key, text].join("\u0001")] = sum;
      page.chosen.filters = [];
      page.update();
      const counted = page.count({ key, text, exact: true });
      if (!counted.endsWith(", " + page.say(sum))) others.push([column.name, key, text, "is counted as", counted]);
    }
    for (const f of names([...m.frames.keys()])) {
      const shown = page.sides[0].cum[f], text = m.frames[f].name, sum = only({ key: null, text, exact: true });
      kept[[c, "", text].join("\u0001")] = sum;
      if (sum !== shown) others.push([column.name, text, shown, sum]);
      only();
    }
    const keys = [...m.keys.keys()];
    for (const two of keys.flatMap((k) => keys.filter((l) => l !== k).map((l) => [k, l]))) {
      page.chosen.keys = two;
      only();
      const tree = page.tree;
      for (let i = 1, left = 12; i < tree.n && left > 0; i++) {
        if (tree.name[i] >= 0) continue;
        left--;
        page.actions(i, tree)[0].run();
        if (all() !== tree.totals[0][i]) others.push([column.name, ...page.chosen.filters.map(chipText), tree.totals[0][i], all()]);
        only();
      }
    }
  });
  return { kept, others };
})()`

// sumsOf are those that pprof has of each label's values and of functions, in each column, and of all.
func sumsOf(p *profile.Profile) map[string]float64 {
	sums := make(map[string]float64)
	for c := range p.SampleType {
		for _, s := range p.Sample {
			sums[fmt.Sprint(c, " all")] += float64(s.Value[c])
			add := func(key, value string) { sums[fmt.Sprint(c, "\x01", key, "\x01", value)] += float64(s.Value[c]) }
			for key, values := range s.Label {
				add(key, values[0])
			}
			for _, n := range s.NumLabel["bytes"] {
				add("bytes", strings.TrimSpace(fmt.Sprint(n, " ", slices.Concat(s.NumUnit["bytes"], []string{""})[0])))
			}
			functions := make(map[string]bool)
			for _, l := range s.Location {
				for _, line := range l.Line {
					functions[line.Function.Name] = true
				}
			}
			for name := range functions {
				add("", name)
			}
		}
	}
	return sums
}

// TestKeptIsShown: what is kept of a profile has the sums that pprof has of it, column by column, and a frame of labels that
// is kept what it showed.
func TestKeptIsShown(t *testing.T) {
	ctx, w := chrome.Start(t)
	heap := own(t, func(w io.Writer) error { return pprof.Lookup("heap").WriteTo(w, 0) })
	twice := timed()
	twice.SampleType[1].Type = "cpu" // two columns with one name
	for i, s := range twice.Sample {
		s.Label = map[string][]string{"endpoint": {fmt.Sprint("/", i%3)}, "go.state": {fmt.Sprint("state ", i%2)}}
		if i%5 == 0 {
			delete(s.Label, "endpoint")
		}
	}
	profiles := map[string]*profile.Profile{"example": example(), "timed": twice, "asked": asked(), "heap": heap, "many": large(200)}
	for name, p := range profiles {
		var got struct {
			Kept   map[string]float64
			Others [][]any
		}
		if err := chromedp.Run(ctx, chromedp.Navigate(save(t, p)), chromedp.Poll(ready, nil), chromedp.Evaluate(keep, &got)); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		want, bad := sumsOf(p), 0
		for _, key := range slices.Sorted(maps.Keys(got.Kept)) {
			if !strings.Contains(key, "go.wait_on") && got.Kept[key] != want[key] {
				if bad++; bad < 4 {
					t.Errorf("%s, %q: %.0f is kept, pprof has %.0f", name, key, got.Kept[key], want[key])
				}
			}
		}
		if len(got.Kept) < len(p.SampleType) || bad > 0 {
			t.Errorf("%s: %d of %d differ", name, bad, len(got.Kept))
		}
		for _, other := range got.Others[:min(len(got.Others), 3)] {
			t.Errorf("%s, of %d: %v", name, len(got.Others), other)
		}
	}
	w.Check(t)
}

// TestUntimed: of a profile in which some samples do not say when they were, a window has none of those, and says so.
func TestUntimed(t *testing.T) {
	ctx, w := chrome.Start(t)
	p := timed()
	for _, s := range p.Sample[50:75] {
		delete(s.NumLabel, "end_timestamp_ns")
	}
	var facts string
	var all []float64
	err := chromedp.Run(ctx, chromedp.Navigate(save(t, p)), chromedp.Poll(ready, nil),
		chromedp.Evaluate(`(page.look({ from: 0, to: page.m.head.cells }, false), page.sides.map((s) => s.all))`, &all),
		chromedp.Text(".facts", &facts))
	if err != nil {
		t.Fatal(err)
	}
	said := "1.50 s of all goroutines together in 2 stacks, 0.00 s to 2.00 s; 500 ms more is of no known time"
	if !slices.Equal(all, []float64{1.5e9}) || facts != said {
		t.Errorf("all of the time has %v, and says %q", all, facts)
	}
	w.Check(t)
}

// TestLanesFollow: what is kept is what the lanes show, and what they cannot know they say.
func TestLanesFollow(t *testing.T) {
	ctx, w := chrome.Start(t)
	p := asked()
	for _, s := range p.Sample {
		s.NumLabel["size"] = []int64{8}
	}
	b := New(Options{Title: "asked", Requests: timeline.Selector{By: timeline.Func, Name: "main.serve"}})
	if err := b.Add(p, slices.Values(p.Sample)); err != nil {
		t.Fatal(err)
	}
	b.AddLanes(p, slices.Values(p.Sample))
	type shown struct {
		Rows int
		Ms   float64
		Said string
	}
	var all, lock, fn, window, numeric, both shown
	ask := func(filters, windows string, to *shown) chromedp.Action {
		return chromedp.Evaluate(`(() => { page.chosen.filters = `+filters+`; page.windows = `+windows+`; page.update(); const l = page.lanes;
			l.follow(page.chosen.filters, page.windows);
			const kept = l.rows.flatMap((r) => r.lane.pieces).filter((p) => p.kept);
			return { rows: l.rows.length, ms: kept.reduce((a, p) => a + p.to - p.from, 0) / 1000, said: l.following.textContent }; })()`, to)
	}
	none := "[null, null]"
	err := chromedp.Run(ctx, chromedp.Navigate(saved(t, b.Write)), chromedp.Poll(ready, nil),
		ask(`[{ key: "go.state", text: "sync.Mutex.Lock", exact: true }]`, none, &lock),
		ask(`[{ key: "endpoint", text: "/p" }, { key: null, text: "main.serve" }]`, none, &fn),
		ask(`[{ key: "size", text: "8" }]`, none, &numeric),
		ask(`[{ key: "go.state", text: "syscall" }, { key: "go.state", text: "Lock" }]`, none, &both),
		ask(`[]`, `[{ from: 40, to: 60 }, null]`, &window), ask(`[]`, none, &all))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ got, want shown }{
		"all":                 {all, shown{2, 410, ""}},
		"a state":             {lock, shown{1, 300, "1 of these 2 requests have what is kept; pale is what is not."}},
		"a label, a function": {fn, shown{2, 410, "2 of these 2 requests have what is kept; pale is what is not."}},
		"a number":            {numeric, shown{2, 410, "Goroutines do not have size: what is kept by that does not count here."}},
		"two":                 {both, shown{0, 0, "0 of these 2 requests have what is kept; pale is what is not."}},
		"a window":            {window, shown{1, 60, "1 of these 2 requests have what is kept; pale is what is not."}},
	} {
		if c.got != c.want {
			t.Errorf("%s: %+v, want %+v", name, c.got, c.want)
		}
	}
	w.Check(t)
}
