package render

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
)

func TestFormats(t *testing.T) {
	formats := Formats[string]{{"text", func(w io.Writer, s string) error { _, err := io.WriteString(w, s); return err }}, {"json", nil}}
	var b bytes.Buffer
	if err := formats.Write(&b, "text", "x"); err != nil || b.String() != "x" {
		t.Errorf("%q, %v", b.String(), err)
	}
	if err := formats.Write(&b, "yaml", "x"); err == nil || err.Error() != `format "yaml": not one of text, json` {
		t.Error(err)
	}
}

func TestJSON(t *testing.T) {
	var b bytes.Buffer
	if err := JSON(&b, map[string]string{"a": "<b> & c"}); err != nil || b.String() != "{\n  \"a\": \"<b> & c\"\n}\n" {
		t.Errorf("%q, %v", b.String(), err)
	}
}

// A renderer makes of a table what was meant: as many rows and cells, aligned, empty ones too.
func TestMarkdown(t *testing.T) {
	var b bytes.Buffer
	if err := Markdown(&b, "<>", [][]string{{"", "base"}, {"`f`", "1%"}, {"g", ""}}); err != nil {
		t.Fatal(err)
	}
	if want := "| | base |\n| --- | ---: |\n| `f` | 1% |\n| g | |\n"; b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
	var html bytes.Buffer
	if err := goldmark.New(goldmark.WithExtensions(extension.GFM)).Convert(b.Bytes(), &html); err != nil {
		t.Fatal(err)
	}
	for what, n := range map[string]int{"<th": 2 + 1, "<td": 4, "text-align:right": 3, "<code>f</code>": 1} { // thead is one
		if got := strings.Count(html.String(), what); got != n {
			t.Errorf("%d %s, want %d:\n%s", got, what, n, html.String())
		}
	}
}
