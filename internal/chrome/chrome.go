// Package chrome shows our pages to a real browser, for tests.
package chrome

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// Watch is what a browser did while it showed a page.
type Watch struct {
	mu       sync.Mutex
	requests []string // other than the page itself
	errors   []string
}

func (w *Watch) event(e any) {
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

// Start starts a headless Chromium for chromedp.Run, or skips the test where there is none.
func Start(t *testing.T) (context.Context, *Watch) {
	t.Helper()
	var exe string
	var err error
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if exe, err = exec.LookPath(name); err == nil {
			break
		}
	}
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(exe), chromedp.NoSandbox,
		chromedp.WindowSize(1280, 900), chromedp.WSURLReadTimeout(60*time.Second), chromedp.Flag("disable-dev-shm-usage", true))
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 5*time.Minute)
	t.Cleanup(cancel)
	w := &Watch{}
	chromedp.ListenTarget(ctx, w.event)
	if err := chromedp.Run(ctx, network.Enable(), log.Enable(), runtime.Enable()); err != nil {
		t.Fatal(err)
	}
	return ctx, w
}

// Check fails the test if the page asked for anything, or complained.
func (w *Watch) Check(t *testing.T) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.requests) > 0 || len(w.errors) > 0 {
		t.Errorf("the page asked for %q, and said %q", w.requests, w.errors)
	}
}
