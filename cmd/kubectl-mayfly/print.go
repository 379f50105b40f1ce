package main

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// env is all that a command knows of the process around it. What comes from a cluster goes through printable.
type env struct {
	stdout, stderr io.Writer
	getenv         func(string) string
}

// say prints one line on stderr.
func (e *env) say(format string, args ...any) {
	fmt.Fprintln(e.stderr, "kubectl-mayfly: "+oneLine(fmt.Sprintf(format, args...)))
}

// printableText is a text with U+FFFD in place of what does something else to a terminal than to show itself. Newlines and tabs stay.
func printableText(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029') {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

// oneLine is a text without line breaks, and nothing in it that a terminal takes for more than text. It is cut at 2 KiB: answers of a
// cluster can be longer.
func oneLine(s string) string {
	const most = 2 << 10
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "..."
	}
	return strings.Join(strings.Fields(printableText(s)), " ")
}

// printer passes on text that comes in pieces, in a form that a terminal may get, and so much of it.
type printer struct {
	w    io.Writer
	left int64
	rest []byte // of a character that is not complete
}

func (p *printer) Write(b []byte) (int, error) {
	n := len(b)
	if p.left -= int64(n); p.left < 0 {
		return 0, errTooMuch
	}
	text := append(p.rest, b...)
	whole := len(text)
	for back := 1; back < utf8.UTFMax && back <= len(text); back++ {
		if at := len(text) - back; utf8.RuneStart(text[at]) {
			if !utf8.FullRune(text[at:]) {
				whole = at
			}
			break
		}
	}
	p.rest = append([]byte(nil), text[whole:]...)
	_, err := io.WriteString(p.w, printableText(strings.ToValidUTF8(string(text[:whole]), "\uFFFD")))
	return n, err
}
