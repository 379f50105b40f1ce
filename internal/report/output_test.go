package report

import (
	"bytes"
	"flag"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/mayfly-profiler/mayfly/internal/chrome"
	"github.com/mayfly-profiler/mayfly/internal/flame"
	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// story is a scenario whose report has everything in it.
func story() *scenario {
	s := newScenario(8 * time.Second)
	for i := range int64(40) {
		wait := 20 * float64(i)
		g := s.goroutine(i+1, 100, fmt.Sprint("request=s", i), "endpoint=/fulfil", "tenant=initech")
		g.in("sync.Mutex.Lock", wait+0.5, locked).in("IO wait", 20, call).in("running", 1, "main.price"+serve)
	}
	for i := range int64(300) {
		s.goroutine(1000+i, 10+float64(i%50)*150, fmt.Sprint("request=q", i), "endpoint=/fulfil", "tenant=acme").
			in("running", 2, "main.price"+serve).in("IO wait", 3, dbCall)
	}
	for i := range int64(10) {
		s.goroutine(2000+i, 10+float64(i%50)*150, fmt.Sprint("request=x", i), "endpoint=/<script>", "tenant=acme").
			in("running", 2, "main.price"+serve)
	}
	return s
}

func TestGolden(t *testing.T) {
	slo, _ := ParseSLO("p99<100ms")
	for _, format := range []string{"text", "markdown", "html", "json"} {
		rs, err := New(story().profile(t), Options{SLO: slo, Request: timeline.Selector{By: timeline.Label, Name: "request"}, By: "endpoint"})
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := Formats().Write(&b, format, rs); err != nil {
			t.Fatal(err)
		}
		golden(t, "story."+format, bytes.Replace(b.Bytes(), []byte(flame.Script), []byte("[flame.Script]"), 1))
	}
	if err := Formats().Write(&bytes.Buffer{}, "xml", nil); err == nil {
		t.Error("xml is written")
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s differs (%v), -update rewrites it; got\n%.2000s", path, err, got)
	}
}

// TestPage is about what the page must not have: anything from elsewhere, or a name that is markup.
func TestPage(t *testing.T) {
	slo, _ := ParseSLO("p99<100ms")
	rs, err := New(story().profile(t), Options{SLO: slo, Request: timeline.Selector{By: timeline.Label, Name: "request"}, By: "endpoint"})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := WriteHTML(&b, rs); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	if !strings.Contains(page, "default-src 'none'") {
		t.Error("the page may load something")
	}
	if links := regexp.MustCompile(`(src|href)=|url\(|@import`).FindAllString(page, -1); links != nil {
		t.Errorf("the page loads %q", links)
	}
	if n := strings.Count(page, "<script"); n != 3 { // the data of two groups, and the code
		t.Errorf("%d scripts: a name became markup", n)
	}
}

// TestPageInBrowser shows the page to a browser: each report has its pictures, a click zooms into the flame graph and back, and
// nothing is asked for.
func TestPageInBrowser(t *testing.T) {
	ctx, w := chrome.Start(t)
	slo, _ := ParseSLO("p99<100ms")
	rs, err := New(story().profile(t), Options{SLO: slo, Request: timeline.Selector{By: timeline.Label, Name: "request"}, By: "endpoint"})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "report.html")
	var b bytes.Buffer
	if err := Formats().Write(&b, "html", rs); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	var bars, cells, worst, all, zoomed, again int
	var sentence string
	count := func(selector string) string { return fmt.Sprintf("document.querySelectorAll(%q).length", selector) }
	drawn := `graphs[0].drawn.length`
	click := func(which string) chromedp.Action {
		return chromedp.Evaluate(`(() => { const g = graphs[0], r = g.canvas.getBoundingClientRect(), d = g.drawn.at(`+which+`); `+
			`const y = r.top + g.top(g.tree.depth[d.i]) - g.box.scrollTop + 1; `+
			`g.canvas.dispatchEvent(new MouseEvent("click", {clientX: r.left + d.x + 0.1, clientY: y})); })()`, nil)
	}
	err = chromedp.Run(ctx,
		chromedp.Navigate((&url.URL{Scheme: "file", Path: path}).String()),
		chromedp.Poll(`graphs[0].drawn.length > 0`, nil),
		chromedp.Text(".sentence", &sentence),
		chromedp.Evaluate(count(".bars rect"), &bars), chromedp.Evaluate(count(".heat rect"), &cells),
		chromedp.Evaluate(count(".worst rect"), &worst),
		chromedp.Evaluate(drawn, &all), click("-1"), chromedp.Evaluate(drawn, &zoomed), click("0"), chromedp.Evaluate(drawn, &again),
	)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(sentence, "wait for a lock") || bars < 4 || cells == 0 || worst == 0 || zoomed >= all || again <= zoomed {
		t.Errorf("%q; %d bars, %d cells, %d pieces of the worst requests; %d frames, %d after a click, %d after another", sentence,
			bars, cells, worst, all, zoomed, again)
	}
	w.Check(t)
}
