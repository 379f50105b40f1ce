package main

import (
	"fmt"
	"io"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/mayfly-profiler/mayfly/internal/printable"
)

// progressEvery is the shortest time between two pictures of the progress line. More than 4 Hz
// is nothing that eyes can use and a terminal over ssh can show.
const progressEvery = 250 * time.Millisecond

// progress is one line on stderr that rewrites itself. On anything but a terminal, and with -q,
// it prints nothing: a log file has no use for it. Its methods may be called from several
// goroutines.
type progress struct {
	w     io.Writer // nil: silent
	width func() int
	now   func() time.Time

	mu    sync.Mutex
	last  time.Time
	shown bool
}

// progressLine returns the progress line of e. Whatever e prints later takes it away first.
func progressLine(e *env) *progress {
	p := &progress{now: time.Now, width: func() int { return 80 }}
	fd := terminal(e.stderr)
	if fd >= 0 && !e.quiet && e.getenv("TERM") != "dumb" {
		p.w = raw(e.stderr)
		p.width = func() int {
			if w, _, err := term.GetSize(fd); err == nil && w > 0 {
				return w
			}
			return 80
		}
	}
	e.line = p
	return p
}

// show replaces the line, at most four times a second; calls in between are dropped.
func (p *progress) show(format string, args ...any) {
	if p.w == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	if p.shown && now.Sub(p.last) < progressEvery {
		return
	}
	p.last, p.shown = now, true
	fmt.Fprint(p.w, "\r\x1b[K"+cut(printable.Line(fmt.Sprintf(format, args...)), p.width()-1))
}

// clear takes the line away.
func (p *progress) clear() {
	if p.w == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.shown = false
	}
}

// cut shortens s to n columns, so that the terminal does not wrap it and leave pieces behind.
func cut(s string, n int) string {
	if n < 1 {
		return ""
	}
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	runes := []rune(s)
	return string(runes[:n-1]) + "…"
}
