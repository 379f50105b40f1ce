package flame

import (
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/mayfly-profiler/mayfly/internal/chrome"
)

// example is a page with all that a page can have, and a name that would end the script element.
func example() *Page {
	root := &Node{Name: "all", Base: 1, New: 1.1}
	main := root.Child("main.main")
	main.Base, main.New = 1, 1.1
	slower := main.Child("main.(*T).slower[...]")
	slower.Base, slower.New = 0.3, 0.45
	hot := slower.Child("main.hot")
	hot.Base, hot.New = 0.1, 0.2
	faster := main.Child("main.faster")
	faster.Base, faster.New = 0.4, 0.35
	evil := main.Child(`</script><script>alert(1)</script>`)
	evil.Base, evil.New = 0.3, 0.3
	other := &Node{Name: "all", Base: 1, New: 1}
	other.Child("main.wait").Base, other.Child("main.wait").New = 1, 1
	return &Page{Title: "mayfly diff", Verdict: "regressed: main.hot +100.0% cpu", Class: "bad",
		Tables: []Table{{Title: "Rows", Head: []string{"", "base", "new"},
			Rows: [][]string{{"main.hot", "10%", "20%"}, {`<img src="http://x.invalid/">`, "1", "2"}}}},
		Graphs: []Graph{{"cpu", root}, {"blocked", other}}, Notes: []string{"a note"}}
}

func TestPageInBrowser(t *testing.T) {
	ctx, w := chrome.Start(t)
	path := os.Getenv("MAYFLY_PAGE") // another page to look at
	if path == "" {
		path = filepath.Join(t.TempDir(), "page.html")
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := Write(f, example()); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	var all, found, cleared, shown, zoomed, other int
	var png []byte
	drawn := `graph.drawn.length`
	marked := `graph.marks ? graph.marks.filter((m) => m).length : 0`
	search := func(text string) chromedp.Action {
		return chromedp.Evaluate(`(() => { const s = document.getElementById("search"); s.value = "`+text+`"; `+
			`s.dispatchEvent(new Event("input")); })()`, nil)
	}
	click := chromedp.Evaluate(`(() => { const r = graph.canvas.getBoundingClientRect(); `+
		`const d = graph.drawn.find((d) => graph.tree.label(graph.tree.name[d.i]) === "main.hot"); `+
		`graph.canvas.dispatchEvent(new MouseEvent("click", {clientX: r.left + d.x + 1, `+
		`clientY: r.top + graph.top(graph.tree.depth[d.i]) + 1})); })()`, nil)
	err := chromedp.Run(ctx,
		chromedp.Navigate((&url.URL{Scheme: "file", Path: path}).String()),
		chromedp.WaitVisible("#chart canvas"),
		chromedp.Evaluate(`graph.tree.n`, &all), chromedp.Evaluate(drawn, &shown),
		chromedp.FullScreenshot(&png, 100),
	)
	if err != nil {
		t.Fatal(err)
	}
	if out := os.Getenv("MAYFLY_SCREENSHOT"); out != "" {
		if err := os.WriteFile(out, png, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if os.Getenv("MAYFLY_PAGE") == "" {
		err = chromedp.Run(ctx,
			search("slower[...]"), chromedp.Evaluate(marked, &found),
			chromedp.Click("#reset"), chromedp.Evaluate(marked, &cleared),
			click, chromedp.Evaluate(drawn, &zoomed),
			chromedp.SetValue("#columns", "1"), chromedp.Evaluate(`document.getElementById("columns").dispatchEvent(new Event("change"))`, nil),
			chromedp.Evaluate(`graph.tree.n`, &other),
		)
		if err != nil {
			t.Fatal(err)
		}
		if all != 6 || shown != 6 || found != 1 || cleared != 0 || zoomed != 4 || other != 2 {
			t.Errorf("%d frames, %d drawn, %d found, %d after reset, %d after a click on a leaf; %d of the other column",
				all, shown, found, cleared, zoomed, other)
		}
	}
	w.Check(t)
}
