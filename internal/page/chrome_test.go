package page

import (
	"context"
	"io"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/chrome"
	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

// hostile is what a name must not do to a page.
var hostile = []string{`</script><script>document.title = "broken"</script>`, `<img src=x onerror=alert(1)>`, "@data@", "a\x00b\u202ec",
	`constructor`, `__proto__`, `'"&lt;`}

// example is a profile with states and labels, in which some names are hostile.
func example() *profile.Profile {
	p := &profile.Profile{DefaultSampleType: "wall", DurationNanos: 2e9, TimeNanos: 1.7e18}
	for _, name := range []string{"cpu", "blocked", "wall"} {
		p.SampleType = append(p.SampleType, &profile.ValueType{Type: name, Unit: "nanoseconds"})
	}
	location := func(name string) *profile.Location {
		f := &profile.Function{ID: uint64(len(p.Function) + 1), Name: name, Filename: name + ".go"}
		p.Function = append(p.Function, f)
		l := &profile.Location{ID: f.ID, Line: []profile.Line{{Function: f, Line: 7}}}
		p.Location = append(p.Location, l)
		return l
	}
	serve, lock := location("main.serve"), location("sync.(*Mutex).Lock")
	add := func(leaf *profile.Location, endpoint, state string, cpu, blocked int64) {
		p.Sample = append(p.Sample, &profile.Sample{Location: []*profile.Location{leaf, serve}, Value: []int64{cpu, blocked, cpu + blocked},
			Label: map[string][]string{"endpoint": {endpoint}, "go.state": {state}}})
	}
	for i, name := range hostile {
		add(location(name), name, "running", int64(i+1)*1_000_001, 0)
	}
	add(lock, "/pay", "sync.Mutex.Lock", 0, 1<<53-1e9)
	add(lock, "/pay", "sync.Mutex.Lock", 0, 3)
	add(serve, "/pay", "running", 12_345, 0)
	return p
}

// totalsOf are those of each column, as pprof has them.
func totalsOf(p *profile.Profile) (all []string) {
	for i := range p.SampleType {
		sum := new(big.Int)
		for _, s := range p.Sample {
			sum.Add(sum, big.NewInt(s.Value[i]))
		}
		all = append(all, sum.String())
	}
	return all
}

// save writes the page of a profile and returns its address.
func save(t *testing.T, p *profile.Profile) string {
	t.Helper()
	return saved(t, func(w io.Writer) error { return Write(w, p, Options{Title: "mayfly"}) })
}

func saved(t *testing.T, write func(io.Writer) error) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "page.html")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := write(f); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return (&url.URL{Scheme: "file", Path: path}).String()
}

// ready says that the page was drawn.
const ready = `window.page.drawn > 0` // until then window.page is the element with that id

// TestPageInBrowser: the rows that the page works with add up to what pprof says, whatever names there are.
func TestPageInBrowser(t *testing.T) {
	ctx, w := chrome.Start(t)
	p := example()
	var got, totals, labelled []string
	var title, found, counted, chip string
	var rows, kept int
	set := func(selector, text string) chromedp.Action {
		return chromedp.Evaluate(`(() => { const e = document.querySelector("`+selector+`"); e.value = "`+text+`"; `+
			`e.dispatchEvent(new Event("input")); })()`, nil)
	}
	pick := func(label, begin string) chromedp.Action {
		return chromedp.Evaluate(`(() => { const e = [...document.querySelectorAll("label")].find((l) => l.textContent.startsWith("`+label+` "))`+
			`.querySelector("select"); e.value = [...e.options].findIndex((o) => o.text.startsWith("`+begin+`")); `+
			`e.dispatchEvent(new Event("change")); })()`, nil)
	}
	err := chromedp.Run(ctx, chromedp.Navigate(save(t, p)), chromedp.Poll(ready, nil),
		chromedp.Evaluate(`page.m.columns.map((c) => String(c.values.reduce((a, v) => a + v, 0)))`, &got),
		chromedp.Evaluate(`page.m.columns.map((c) => c.total)`, &totals),
		chromedp.Evaluate(`page.rows.length`, &rows), chromedp.Title(&title),
		set(".search", "sync.(*Mutex).Lock"), chromedp.Text(".found", &found),
		set(".filter", "/Mutex|onerror/"), chromedp.Text(".filters .found", &counted),
		chromedp.KeyEvent("\r", chromedp.KeyModifiers(0)), chromedp.Focus(".filter"), chromedp.KeyEvent("\r"),
		chromedp.Text(".chips", &chip), chromedp.Evaluate(`page.rows.length`, &kept), chromedp.Click(".chips button"),
		pick("only", "endpoint"), set(".filter", "/pay"), chromedp.Focus(".filter"), chromedp.KeyEvent("\r"), pick("column", "cpu: "),
		chromedp.Evaluate(`[page.chips.textContent, String(page.sides[0].all)]`, &labelled))
	if err != nil {
		t.Fatal(err)
	}
	want := totalsOf(p)
	for i := range want {
		if got[i] != want[i] || totals[i] != want[i] {
			t.Errorf("%s: rows add up to %s, the page says %s, pprof %s", p.SampleType[i].Type, got[i], totals[i], want[i])
		}
	}
	if rows != len(hostile)+2 || title != "mayfly" || found != "9007198 s, 100.0 %, in 1 functions" {
		t.Errorf("%d rows, title %q, found %q", rows, title, found)
	}
	if counted != "2 of 9 stacks, 9007198 s" || kept != 2 || chip != "function: /Mutex|onerror/ ×" {
		t.Errorf("the filter counts %q, keeps %d, is called %q", counted, kept, chip)
	}
	if !slices.Equal(labelled, []string{"endpoint: /pay ×", "12345"}) {
		t.Errorf("cpu of a label: %q", labelled)
	}
	w.Check(t)
}

// TestEmptyAndOne: a profile without samples, and one with a single one, are pages too.
func TestEmptyAndOne(t *testing.T) {
	ctx, w := chrome.Start(t)
	none, one := example(), example()
	none.Sample, one.Sample = nil, one.Sample[:1]
	single := "1.00 ms of all goroutines together in 1 stacks, recorded for 2.00 s"
	for want, p := range map[string]*profile.Profile{"no samples": none, single: one} {
		var facts string
		if err := chromedp.Run(ctx, chromedp.Navigate(save(t, p)), chromedp.Poll(ready, nil), chromedp.Text(".facts", &facts)); err != nil {
			t.Fatal(err)
		}
		if facts != want {
			t.Errorf("the page says %q, want %q", facts, want)
		}
	}
	w.Check(t)
}

// timed is a profile of two seconds: in the first /pay waits for a lock, in the second it computes.
func timed() *profile.Profile {
	p := example()
	p.SampleType = append(p.SampleType, &profile.ValueType{Type: "samples", Unit: "count"})
	lock, serve := p.Sample[len(hostile)], p.Sample[len(hostile)+2]
	p.Sample = nil
	for i := range int64(100) {
		s := &profile.Sample{Location: lock.Location, Value: []int64{0, 20e6, 20e6, 0}, Label: lock.Label}
		if i >= 50 {
			s = &profile.Sample{Location: serve.Location, Value: []int64{20e6, 0, 20e6, 20}, Label: serve.Label}
		}
		s.NumLabel = map[string][]int64{"end_timestamp_ns": {p.TimeNanos + (i+1)*20e6}, "go.id": {7}}
		p.Sample = append(p.Sample, s)
	}
	return p
}

// TestWindows drags over the first second of a timeline, and compares it with the second one.
func TestWindows(t *testing.T) {
	ctx, w := chrome.Start(t)
	var box struct{ X, Y, W, H float64 }
	var heat []float64
	var alone, both []float64
	var facts, legend, changed string
	drag := func(second float64) chromedp.Action {
		return chromedp.ActionFunc(func(ctx context.Context) error {
			x, last := box.X+(second+0.5)*box.W, box.Y+box.H*50-1
			for _, e := range []chromedp.MouseAction{chromedp.MouseEvent(input.MousePressed, x, box.Y+1, chromedp.ButtonLeft),
				chromedp.MouseEvent(input.MouseMoved, x, last, chromedp.ButtonLeft),
				chromedp.MouseEvent(input.MouseReleased, x, last, chromedp.ButtonLeft)} {
				if err := e.Do(ctx); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err := chromedp.Run(ctx, chromedp.Navigate(save(t, timed())), chromedp.Poll(ready, nil),
		chromedp.Evaluate(`[...spread(page.m, page.rows, page.m.columns[2].values)]`, &heat),
		chromedp.Evaluate(`(() => { const r = document.querySelector(".heat canvas").getBoundingClientRect(); `+
			`return { X: r.left, Y: r.top, W: page.heat.w, H: page.heat.h }; })()`, &box),
		chromedp.ActionFunc(func(ctx context.Context) error { return drag(0).Do(ctx) }),
		chromedp.Evaluate(`page.sides.map((s) => s.all)`, &alone), chromedp.Text(".facts", &facts), chromedp.Text(".legend", &legend),
		chromedp.Click(".compare"), chromedp.ActionFunc(func(ctx context.Context) error { return drag(1).Do(ctx) }),
		chromedp.Evaluate(`page.sides.map((s) => s.all)`, &both), chromedp.Text(".legend", &changed))
	if err != nil {
		t.Fatal(err)
	}
	if len(heat) != 101 || slices.ContainsFunc(heat[:100], func(v float64) bool { return v != 20e6 }) {
		t.Errorf("cells: %v", heat)
	}
	said := "1.00 s of all goroutines together in 1 stacks, 0.00 s to 1.00 s"
	if !slices.Equal(alone, []float64{1e9}) || facts != said || legend != "sync.Mutex.Lock" {
		t.Errorf("the first second has %v, says %q, in states %q", alone, facts, legend)
	}
	if !slices.Equal(both, []float64{1e9, 1e9}) || !strings.Contains(changed, "more in B") {
		t.Errorf("two windows have %v a second, legend %q", both, changed)
	}
	w.Check(t)
}

// asked is a profile with two requests on goroutine 7, which is idle before, between and after them. Goroutine 8 has the lock
// that the first one waits for.
func asked() *profile.Profile {
	p := timed()
	lock, serve := p.Sample[0], p.Sample[99]
	idle := []*profile.Location{lock.Location[0]}
	p.Sample = nil
	at := map[int64]int64{}
	add := func(goid int64, locations []*profile.Location, state string, ms int64) {
		at[goid] += ms
		s := &profile.Sample{Location: locations, Value: []int64{0, ms * 1e6, ms * 1e6, 0}, Label: map[string][]string{"go.state": {state}},
			NumLabel: map[string][]int64{"go.id": {goid}, "end_timestamp_ns": {p.TimeNanos + at[goid]*1e6}}}
		if len(locations) > 1 {
			s.Label["endpoint"] = []string{"/pay"}
		}
		if state == "sync.Mutex.Lock" {
			s.Label["go.wait_on"] = []string{"mutex 0xc000012340"}
		}
		p.Sample = append(p.Sample, s)
	}
	add(7, idle, "chan receive", 100)
	add(7, lock.Location, "sync.Mutex.Lock", 300)
	add(7, serve.Location, "syscall", 50)
	add(7, idle, "chan receive", 400)
	add(7, serve.Location, "syscall", 60)
	add(7, idle, "chan receive", 1090)
	add(8, serve.Location[:1], "syscall", 400)
	add(8, idle, "chan receive", 1600)
	return p
}

// TestRequest opens the slowest request, and looks at the stack of its wait.
func TestRequest(t *testing.T) {
	ctx, w := chrome.Start(t)
	p := asked()
	b := New(Options{Title: "asked", Requests: timeline.Selector{By: timeline.Func, Name: "main.serve"}})
	if err := b.Add(p, slices.Values(p.Sample)); err != nil {
		t.Fatal(err)
	}
	b.AddLanes(p, slices.Values(p.Sample))
	var tabs, title, stack string
	var lengths, zoomed []float64
	var box struct{ X, Y, W float64 }
	click := func(part, row float64) chromedp.Action {
		return chromedp.ActionFunc(func(ctx context.Context) error {
			return chromedp.MouseClickXY(box.X+part*box.W, box.Y+(row+0.5)*20).Do(ctx)
		})
	}
	mouse := func(what input.MouseType, part float64) chromedp.Action {
		return chromedp.ActionFunc(func(ctx context.Context) error {
			return chromedp.MouseEvent(what, box.X+part*box.W, box.Y+10, chromedp.ButtonLeft).Do(ctx)
		})
	}
	where := chromedp.Evaluate(`(() => { const r = document.querySelector(".lanes canvas").getBoundingClientRect(), l = page.lanes; `+
		`return { X: r.left + l.left, Y: r.top, W: l.wide - l.left }; })()`, &box)
	err := chromedp.Run(ctx, chromedp.Navigate(saved(t, b.Write)), chromedp.Poll(ready, nil),
		chromedp.Text(".life .bar", &tabs), chromedp.Evaluate(`page.lanes.rows.map((r) => r.end)`, &lengths),
		chromedp.ScrollIntoView(".lanes canvas"), where, click(0.5, 0), chromedp.Text(".life > .found", &title),
		chromedp.ScrollIntoView(".lanes canvas"), where, click(0.2, 0), chromedp.Text(".stack", &stack),
		chromedp.ScrollIntoView(".lanes canvas"), where, mouse(input.MousePressed, 0.5), mouse(input.MouseMoved, 1.01),
		mouse(input.MouseReleased, 1.01), // outside of the canvas
		chromedp.Evaluate(`[page.lanes.from, page.lanes.to].map((us) => Math.round(us / 1000))`, &zoomed))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(tabs, "the 2 slowest of 2 requests") || !slices.Equal(lengths, []float64{350e3, 60e3}) {
		t.Errorf("requests: %q, of %v us", tabs, lengths)
	}
	if !slices.Equal(zoomed, []float64{175, 350}) {
		t.Errorf("a drag from the middle to the end and on zooms to %v ms", zoomed)
	}
	if !strings.HasPrefix(title, "endpoint=/pay: 350 ms, began 100 ms into the recording.") {
		t.Errorf("the request is called %q", title)
	}
	for _, want := range []string{"sync.Mutex.Lock for 300 ms, from 0 on: waits for a sync.Mutex or RWMutex (mutex 0xc000012340)",
		"sync.(*Mutex).Lock", "main.serve"} {
		if !strings.Contains(stack, want) {
			t.Errorf("the wait says %q, without %q", stack, want)
		}
	}
	w.Check(t)
}
