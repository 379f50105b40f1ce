package main

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/term"

	"github.com/mayfly-profiler/mayfly/internal/printable"
	"github.com/mayfly-profiler/mayfly/internal/render"
)

// env is all that a command may know of the process around it, so that tests can hand it
// something else. Data goes to stdout, words to stderr. Both let no control character through, since much
// of what is printed was written by the target; raw is for bytes that are mayfly's own.
type env struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string
	quiet, verbose bool // -q, -v
	line           *progress
	abrupt         func() // from now on a signal ends the process at once; or nil
}

// processEnv is the env of this process.
func processEnv() *env {
	return &env{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv}
}

// printable makes stdout and stderr safe for everything that is printed from here on.
func (e *env) printable() {
	e.stdout, e.stderr = printable.NewText(raw(e.stdout)), printable.NewText(raw(e.stderr))
}

// raw returns the writer behind one that lets no control character through.
func raw(w io.Writer) io.Writer {
	if p, ok := w.(*printable.Writer); ok {
		return p.Unwrap()
	}
	return w
}

// warn prints one line that matters even with -q.
func (e *env) warn(format string, args ...any) {
	e.clear()
	fmt.Fprintln(e.stderr, "mayfly: "+oneLine(fmt.Sprintf(format, args...)))
}

// say prints one line on stderr unless -q.
func (e *env) say(format string, args ...any) {
	if !e.quiet {
		e.warn(format, args...)
	}
}

// detail prints one line on stderr with -v.
func (e *env) detail(format string, args ...any) {
	if e.verbose {
		e.warn(format, args...)
	}
}

// clear takes the progress line off the terminal before something else is printed.
func (e *env) clear() {
	if e.line != nil {
		e.line.clear()
	}
}

// json prints v as the one JSON object of a command with --json.
func (e *env) json(v any) error {
	return render.JSON(jsonText.writer(e.stdout), v)
}

// colour says whether w takes colours: a terminal that is not dumb, and nobody set NO_COLOR
// (https://no-color.org: any value but the empty one).
func (e *env) colour(w io.Writer) bool {
	return terminal(w) >= 0 && e.getenv("NO_COLOR") == "" && e.getenv("TERM") != "dumb"
}

// terminal returns the file descriptor behind w, a Reader or Writer, if it is a terminal, else -1.
func terminal(w any) int {
	if p, ok := w.(io.Writer); ok {
		w = raw(p)
	}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return int(f.Fd())
	}
	return -1
}
