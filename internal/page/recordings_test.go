package page

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/chrome"
	fuzzed "github.com/mayfly-profiler/mayfly/internal/samples/hostile"
)

// own is a profile that runtime/pprof made of this process.
func own(t *testing.T, write func(io.Writer) error) *profile.Profile {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	p, err := profile.Parse(&b)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// large is a profile of so many samples, all with another stack or label, over a minute.
func large(samples int) *profile.Profile {
	p, random := timed(), rand.New(rand.NewPCG(3, 4))
	for i := range 3000 {
		f := &profile.Function{ID: uint64(len(p.Function) + 1), Name: fmt.Sprintf("example.org/p%d.(*T).f%d", i%50, i)}
		p.Function = append(p.Function, f)
		p.Location = append(p.Location, &profile.Location{ID: f.ID, Line: []profile.Line{{Function: f}}})
	}
	p.Sample = nil
	for range samples {
		s := &profile.Sample{Value: make([]int64, 4), Label: map[string][]string{"go.state": {"select"}},
			NumLabel: map[string][]int64{"end_timestamp_ns": {p.TimeNanos + 1e9 + random.Int64N(59e9)}, "go.id": {1 + random.Int64N(500)}}}
		v := random.Int64N(1e7)
		s.Value[1], s.Value[2] = v, v
		s.Label["endpoint"] = []string{fmt.Sprintf("/%d", random.IntN(20))}
		at := random.IntN(3000)
		for range 5 + random.IntN(15) {
			s.Location = append(s.Location, p.Location[at])
			at = (at*7 + random.IntN(3)) % 3000
		}
		p.Sample = append(p.Sample, s)
	}
	return p
}

// recordings are profiles of all kinds. MAYFLY_VIEW names more, and with MAYFLY_VIEW_LARGE there is one that is as
// large as they get.
func recordings(t *testing.T) map[string]*profile.Profile {
	cpu := func(w io.Writer) error {
		if err := pprof.StartCPUProfile(w); err != nil {
			return err
		}
		for begin := time.Now(); time.Since(begin) < 200*time.Millisecond; {
			large(10)
		}
		pprof.StopCPUProfile()
		return nil
	}
	none, one := example(), example()
	none.Sample, one.Sample = nil, one.Sample[:1]
	all := map[string]*profile.Profile{"cpu": own(t, cpu), "none": none, "one": one, "hostile names": example(), "requests": asked()}
	for _, name := range []string{"heap", "goroutine"} {
		all[name] = own(t, func(w io.Writer) error { return pprof.Lookup(name).WriteTo(w, 0) })
	}
	for name, p := range fuzzed.Others() {
		all["of others: "+name] = p
	}
	files := os.Getenv("MAYFLY_VIEW")
	if files == "" {
		return all
	}
	if os.Getenv("MAYFLY_VIEW_LARGE") != "" {
		all["many samples"] = large(500_000)
	}
	for _, path := range strings.Split(files, ",") {
		file, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(path)] = own(t, func(w io.Writer) error { _, err := w.Write(file); return err })
	}
	return all
}

// use does what people do, and says how long each took, in ms: with all that has to be computed, and painted.
const use = `(async () => {
  const took = {}, frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  const time = async (name, run) => { await frame(); const begin = performance.now(); run(); document.body.getBoundingClientRect();
    took[name] = Math.round(performance.now() - begin); await frame(); };
  await time("column", () => { page.chosen.column = 1; page.update(); });
  await time("wall", () => { page.chosen.column = page.m.head.column; page.update(); });
  await time("search", () => { page.search.value = "ock"; page.search.dispatchEvent(new Event("input")); });
  page.search.value = ""; page.chosen.search = "";
  await time("filter", () => page.keep({ key: null, text: "/e/" }));
  page.chosen.filters = []; page.update();
  await time("zoom", () => page.graph.zoom(Math.min(3, page.tree ? page.tree.n - 1 : 0)));
  page.graph.zoom(0);
  await time("callers", () => page.pick(page.m.frames.length > 0 ? 0 : -1));
  await time("back", () => page.pick(-1));
  if (page.heat) {
    const n = page.m.head.cells;
    await time("window", () => page.look({ from: Math.floor(n / 10), to: Math.ceil(n / 2) }, false));
    await time("compare", () => page.look({ from: Math.floor(n / 2), to: n }, true));
    page.look(null, false);
  }
  if (page.lanes && page.lanes.requests.length > 0) await time("request", () => page.lanes.show(page.lanes.requests[0]));
  return took;
})()`

// awaited waits for the promise that a script is.
func awaited(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }

// shots takes pictures of the page that is shown: of a phone, a laptop and a large screen, light and dark.
func shots(ctx context.Context, t *testing.T, to string) {
	t.Helper()
	for _, size := range [][2]int64{{400, 800}, {1280, 900}, {3840, 2160}} {
		for _, theme := range []string{"light", "dark"} {
			var png []byte
			err := chromedp.Run(ctx, emulation.SetDeviceMetricsOverride(size[0], size[1], 1, false),
				emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}}),
				chromedp.Sleep(400*time.Millisecond), chromedp.FullScreenshot(&png, 100))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(fmt.Sprintf("%s-%d-%s.png", to, size[0], theme), png, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestRecordings opens profiles of all kinds, and uses the page; its sums are pprof's.
func TestRecordings(t *testing.T) {
	ctx, w := chrome.Start(t)
	for name, p := range recordings(t) {
		want := totalsOf(p)
		address := save(t, p)
		var got, totals []string
		var drawn, painted float64
		var took map[string]float64
		err := chromedp.Run(ctx, chromedp.Navigate(address), chromedp.Poll(ready, nil),
			chromedp.Evaluate(`page.m.columns.map((c) => String(c.values.reduce((a, v) => a + v, 0)))`, &got),
			chromedp.Evaluate(`page.m.columns.map((c) => c.total)`, &totals), chromedp.Evaluate(`page.drawn`, &drawn),
			chromedp.Evaluate(use, &took, awaited),
			chromedp.Evaluate(`(performance.getEntriesByName("first-contentful-paint")[0] || {startTime: 0}).startTime`, &painted))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !slices.Equal(totals, want) || !slices.Equal(got, want) {
			t.Errorf("%s: the rows have %v, the page says %v, pprof %v", name, got, totals, want)
		}
		size, _ := os.Stat(strings.TrimPrefix(address, "file://"))
		t.Logf("%s: %d samples, %d kB, drawn after %.0f ms (first paint %.0f), ms: %v", name, len(p.Sample), size.Size()/1000,
			drawn, painted, took)
		if to := os.Getenv("MAYFLY_SCREENSHOT"); to != "" && strings.Contains(name, ".pb") {
			shots(ctx, t, to+"/"+strings.ReplaceAll(name, " ", "-"))
		}
	}
	w.Check(t)
}
