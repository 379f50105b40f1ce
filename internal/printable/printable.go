// Package printable makes text that somebody else wrote safe to print: names of processes, functions,
// files and labels, answers of servers, everything in a profile. Printed as it is, such text moves
// the cursor, renames the window, hides lines or turns the reading direction around.
//
// What is replaced: control characters (C0, DEL and C1, by which terminals are told what to do),
// bidirectional controls (CVE-2021-42574), line and paragraph separators, and bytes that are no UTF-8.
package printable

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// Line returns s with U+FFFD in place of everything that is not to be printed, newlines and tabs
// included: what comes back is one line.
func Line(s string) string {
	return strings.Map(func(r rune) rune {
		if harmful(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

// harmful says whether r does something other than showing itself. Of invalid UTF-8 range and strings.Map make
// U+FFFD already.
func harmful(r rune) bool {
	if r < utf8.RuneSelf {
		return r < ' ' || r == 0x7f
	}
	return r <= 0x9f || r == '\u2028' || r == '\u2029' || unicode.Is(unicode.Bidi_Control, r)
}

// NewText returns a writer that passes text on to w, with U+FFFD in place of everything that is not to be
// printed. Newlines and tabs stay.
func NewText(w io.Writer) *Writer {
	return &Writer{w: w, replace: func(dst []byte, r rune) []byte { return utf8.AppendRune(dst, unicode.ReplacementChar) }}
}

// NewJSON returns a writer that passes a JSON text on to w. What is not to be printed can stand in strings only, and
// is escaped there: the value stays what it was.
func NewJSON(w io.Writer) *Writer {
	return &Writer{w: w, replace: func(dst []byte, r rune) []byte { return fmt.Appendf(dst, `\u%04x`, r) }}
}

// Writer is a writer made by NewText or NewJSON. It may be used by several goroutines. Of a character that ends in
// a later Write the first bytes are kept until then; they are lost if no Write follows.
type Writer struct {
	w       io.Writer
	replace func(dst []byte, r rune) []byte

	mu   sync.Mutex
	text []byte // what is being written
	part []byte // the beginning of a character
}

// Unwrap returns the writer behind, for those who print nothing but their own bytes, or look for a terminal.
func (w *Writer) Unwrap() io.Writer { return w.w }

func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.part) == 0 && clean(p) {
		return w.w.Write(p)
	}
	rest := append(w.part, p...)
	w.text = w.text[:0]
	for len(rest) > 0 && utf8.FullRune(rest) {
		r, n := utf8.DecodeRune(rest)
		if harmful(r) && r != '\n' && r != '\t' {
			w.text = w.replace(w.text, r)
		} else {
			w.text = utf8.AppendRune(w.text, r)
		}
		rest = rest[n:]
	}
	w.part = append([]byte(nil), rest...)
	if _, err := w.w.Write(w.text); err != nil {
		return 0, err
	}
	return len(p), nil
}

// clean says whether p can be passed on as it is.
func clean(p []byte) bool {
	for _, c := range p {
		if (c < ' ' && c != '\n' && c != '\t') || c >= 0x7f {
			return false
		}
	}
	return true
}
