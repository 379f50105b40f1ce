package page

import (
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/chrome"
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

// sums are those of each column, as pprof has them.
func sums(p *profile.Profile) (all []string) {
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
	path := filepath.Join(t.TempDir(), "page.html")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := Write(f, p); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return (&url.URL{Scheme: "file", Path: path}).String()
}

// ready says that the page was drawn.
const ready = `window.page !== undefined`

// TestPageInBrowser: the rows that the page works with add up to what pprof says, whatever names there are.
func TestPageInBrowser(t *testing.T) {
	ctx, w := chrome.Start(t)
	p := example()
	var got, totals []string
	var title, found, counted, chip string
	var rows, kept int
	set := func(selector, text string) chromedp.Action {
		return chromedp.Evaluate(`(() => { const e = document.querySelector("`+selector+`"); e.value = "`+text+`"; `+
			`e.dispatchEvent(new Event("input")); })()`, nil)
	}
	err := chromedp.Run(ctx, chromedp.Navigate(save(t, p)), chromedp.Poll(ready, nil),
		chromedp.Evaluate(`page.m.columns.map((c) => String(c.values.reduce((a, v) => a + v, 0)))`, &got),
		chromedp.Evaluate(`page.m.columns.map((c) => c.total)`, &totals),
		chromedp.Evaluate(`page.rows.length`, &rows), chromedp.Title(&title),
		set(".search", "sync.(*Mutex).Lock"), chromedp.Text(".found", &found),
		set(".filter", "/Mutex|onerror/"), chromedp.Text(".filters .found", &counted),
		chromedp.KeyEvent("\r", chromedp.KeyModifiers(0)), chromedp.Focus(".filter"), chromedp.KeyEvent("\r"),
		chromedp.Text(".chips", &chip), chromedp.Evaluate(`page.rows.length`, &kept))
	if err != nil {
		t.Fatal(err)
	}
	want := sums(p)
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
	w.Check(t)
}

// TestEmptyAndOne: a profile without samples, and one with a single one, are pages too.
func TestEmptyAndOne(t *testing.T) {
	ctx, w := chrome.Start(t)
	none, one := example(), example()
	none.Sample, one.Sample = nil, one.Sample[:1]
	for want, p := range map[string]*profile.Profile{"no samples": none, "1.00 ms in 1 stacks, recorded for 2.00 s": one} {
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
