// Package render is what commands write their results by: the formats of a result by name, JSON, and tables in Markdown. Text is
// set by text/tabwriter, and pages are those of package flame.
package render

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Format is one way to write a T.
type Format[T any] struct {
	Name  string
	Write func(io.Writer, T) error
}

// Formats are the ways to write a T, the default first.
type Formats[T any] []Format[T]

// Names are those of the formats, in their order.
func (f Formats[T]) Names() []string {
	names := make([]string, len(f))
	for i := range f {
		names[i] = f[i].Name
	}
	return names
}

// Write writes v in the format with the given name. The error about one that there is not names them all.
func (f Formats[T]) Write(w io.Writer, name string, v T) error {
	i, err := Named("format", name, f.Names())
	if err != nil {
		return err
	}
	return f[i].Write(w, v)
}

// Named finds a name in a list of what there is of a kind. The error names them all.
func Named(kind, name string, names []string) (int, error) {
	i := slices.Index(names, name)
	if i < 0 {
		return 0, fmt.Errorf("%s %q: not one of %s", kind, name, strings.Join(names, ", "))
	}
	return i, nil
}

// JSON writes v for people and programs: indented, and with <, > and & as they are.
func JSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// Markdown writes a table. The first row is its head; align has a character for each column, '<' or '>'. The cells are Markdown
// already (printable.Markdown, printable.MarkdownCode).
func Markdown(w io.Writer, align string, rows [][]string) error {
	rule := make([]string, len(align))
	for i, side := range align {
		rule[i] = map[rune]string{'<': "---", '>': "---:"}[side]
	}
	var b strings.Builder
	for i, row := range rows {
		markdownRow(&b, row)
		if i == 0 {
			markdownRow(&b, rule)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func markdownRow(b *strings.Builder, cells []string) {
	b.WriteByte('|')
	for _, c := range cells {
		if c != "" {
			b.WriteString(" " + c)
		}
		b.WriteString(" |")
	}
	b.WriteByte('\n')
}
