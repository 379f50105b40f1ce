package flame

import (
	"context"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// watch is what a browser did while it showed a page.
type watch struct {
	mu       sync.Mutex
	requests []string // other than the page itself
	errors   []string
}

func (w *watch) event(e any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch e := e.(type) {
	case *network.EventRequestWillBeSent:
		if u := e.Request.URL; !strings.HasPrefix(u, "file:") && !strings.HasPrefix(u, "data:") {
			w.requests = append(w.requests, u)
		}
	case *runtime.EventExceptionThrown:
		w.errors = append(w.errors, e.ExceptionDetails.Error())
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.APITypeError || e.Type == runtime.APITypeWarning {
			w.errors = append(w.errors, string(e.Type))
		}
	case *log.EventEntryAdded:
		w.errors = append(w.errors, e.Entry.Text)
	}
}

// browser starts a headless Chromium, or skips the test where there is none.
func browser(t *testing.T) (context.Context, *watch) {
	exe := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			exe = path
			break
		}
	}
	if exe == "" {
		t.Skip("no chromium here")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(exe), chromedp.NoSandbox,
		chromedp.WindowSize(1280, 900), chromedp.WSURLReadTimeout(60*time.Second), chromedp.Flag("disable-dev-shm-usage", true))
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(cancel)
	w := &watch{}
	chromedp.ListenTarget(ctx, w.event)
	if err := chromedp.Run(ctx, network.Enable(), log.Enable(), runtime.Enable()); err != nil {
		t.Fatal(err)
	}
	return ctx, w
}

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
		Tables: []Table{{Title: "Rows", Head: []string{"", "base", "new"}, Rows: [][]string{{"main.hot", "10%", "20%"}, {`<img src="http://x.invalid/">`, "1", "2"}}}},
		Graphs: []Graph{{"cpu", root}, {"blocked", other}}, Notes: []string{"a note"}}
}

func TestPageInBrowser(t *testing.T) {
	ctx, w := browser(t)
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
	var all, found, cleared, shown, zoomed int
	var png []byte
	frames := `document.querySelectorAll("#chart g.frame, #chart g.node").length`
	highlighted := `[...document.querySelectorAll("#chart rect")].filter(r => r.getAttribute("fill") === "#E600E6" || r.getAttribute("fill") === "rgb(230,0,230)").length`
	visible := `[...document.querySelectorAll("#chart g")].filter(g => g.getAttribute("name") && !g.querySelector("rect").getAttribute("width").startsWith("0")).length`
	search := func(text string) chromedp.Action {
		return chromedp.Evaluate(`(() => { const s = document.getElementById("search"); s.value = "`+text+`"; s.dispatchEvent(new Event("input")); })()`, nil)
	}
	err := chromedp.Run(ctx,
		chromedp.Navigate((&url.URL{Scheme: "file", Path: path}).String()),
		chromedp.WaitVisible("#chart svg"),
		chromedp.Evaluate(frames, &all), chromedp.Evaluate(visible, &shown),
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
			search("slower[...]"), chromedp.Sleep(100*time.Millisecond), chromedp.Evaluate(highlighted, &found),
			chromedp.Click("#reset"), chromedp.Sleep(100*time.Millisecond), chromedp.Evaluate(highlighted, &cleared),
			chromedp.Evaluate(`document.querySelector('#chart g[name="main.hot"] .d3-flame-graph-label, #chart g[name="main.hot"]').dispatchEvent(new MouseEvent("click", {bubbles: true}))`, nil),
			chromedp.Sleep(300*time.Millisecond), chromedp.Evaluate(visible, &zoomed),
			chromedp.SetValue("#columns", "1"), chromedp.Evaluate(`document.getElementById("columns").dispatchEvent(new Event("change"))`, nil),
			chromedp.WaitVisible(`#chart g[name="main.wait"]`),
		)
		if err != nil {
			t.Fatal(err)
		}
		if all != 6 || found != 1 || cleared != 0 || zoomed >= shown {
			t.Errorf("%d frames, %d found, %d after reset; %d visible, %d after a click on a leaf", all, found, cleared, shown, zoomed)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.requests) > 0 || len(w.errors) > 0 {
		t.Errorf("the page asked for %q, and said %q", w.requests, w.errors)
	}
}
