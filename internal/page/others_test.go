package page

import (
	"slices"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/chrome"
	fuzzed "github.com/mayfly-profiler/mayfly/internal/samples/hostile"
)

// TestFirstColumn: a page begins with the column that pprof takes, and with wall where there are states.
func TestFirstColumn(t *testing.T) {
	all := fuzzed.Others()
	states := all["microseconds"].Copy()
	states.Sample[0].Label = map[string][]string{"go.state": {"running"}}
	cpu := all["milliseconds"].Copy()
	cpu.SampleType = slices.Insert(cpu.SampleType, 1, cpu.SampleType[1])
	for _, s := range cpu.Sample {
		s.Label, s.Value = map[string][]string{"go.state": {"running"}}, append(s.Value, 1)
	}
	cpu.SampleType[2] = &profile.ValueType{Type: "other", Unit: "count"}
	for name, tt := range map[string]struct {
		p      *profile.Profile
		column string
		want   int
	}{
		"the last without a default": {all["one name"], "", 2},
		"no such default":            {all["no such default"], "", 1},
		"two with one name":          {all["one name"], "cpu", 1},
		"wall of states":             {states, "", 1},
		"states without wall":        {cpu, "", 1},
		"nothing":                    {all["none"], "", -1},
	} {
		b := New(Options{Column: tt.column})
		if err := b.Add(tt.p, slices.Values(tt.p.Sample)); err != nil {
			t.Fatal(err)
		}
		if got := b.head(new(arrays)).Column; got != tt.want {
			t.Errorf("%s: column %d, want %d", name, got, tt.want)
		}
	}
}

// TestLengths: how long a sample is, is told in any unit of time; none is longer than its end.
func TestLengths(t *testing.T) {
	for name, unit := range map[string]int64{"mutex": 1, "microseconds": 1e3, "milliseconds": 1e6} {
		p, b := fuzzed.Others()[name], New(Options{})
		for _, s := range p.Sample {
			s.NumLabel = map[string][]int64{"end_timestamp_ns": {1.7e18}}
		}
		p.Sample[3].Value[1] = 1 << 62
		if err := b.Add(p, slices.Values(p.Sample)); err != nil {
			t.Fatal(err)
		}
		if len(b.series.spans) != 3 {
			t.Fatalf("%s: %d samples have a time", name, len(b.series.spans))
		}
		for i, s := range b.series.spans {
			if want := p.Sample[i].Value[1] * unit; s.to-s.from != want {
				t.Errorf("%s: %d ns, want %d", name, s.to-s.from, want)
			}
		}
	}
}

// TestKeys presses keys. "o" makes another tree, in which the frame that the keys were at has another number or none.
func TestKeys(t *testing.T) {
	ctx, w := chrome.Start(t)
	press := func(what, keys string) chromedp.Action {
		return chromedp.Evaluate(`for (const key of `+keys+`) page.`+what+`.box.dispatchEvent(new KeyboardEvent("keydown", key));`, nil)
	}
	var kept, at, per, to int
	var line, same string
	var window bool
	err := chromedp.Run(ctx, chromedp.Navigate(save(t, timed())), chromedp.Poll(ready, nil),
		press("heat", `[{ key: "c", ctrlKey: true }]`), chromedp.Evaluate(`page.windows[0] !== null`, &window),
		// 3 pixels are a column: of two seconds each mark is two cells, and the last one is there whole.
		chromedp.Evaluate(`page.heat.box.style.width = "3px"; page.heat.measure(); page.heat.drag(0, 98); page.heat.per`, &per),
		chromedp.Evaluate(`page.heat.cursor.to`, &to), chromedp.Evaluate(`change(0, 0) + change(0, 1) + change(1, 0)`, &same),
		chromedp.Navigate(save(t, example())), chromedp.Poll(ready, nil),
		press("graph", `[..."DRRRRRDDD"].map((k) => ({ key: { D: "ArrowDown", R: "ArrowRight" }[k] })).concat({ key: "o" })`),
		chromedp.Evaluate(`page.rows.length`, &kept), chromedp.Evaluate(`page.graph.at`, &at), chromedp.Text(".details", &line))
	if err != nil {
		t.Fatal(err)
	}
	if window || per != 2 || to != 100 || same != "newgone" {
		t.Errorf("Ctrl-C makes a window: %v; to the last of %d cells each: %d; changes %q", window, per, to, same)
	}
	if kept != 1 || at != -1 {
		t.Errorf("%d rows are kept, the keys are at %d, %q", kept, at, line)
	}
	w.Check(t)
}
