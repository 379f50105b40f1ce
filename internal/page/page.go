// Package page writes any profile as one self-contained HTML page to look at: flame graphs by label and state, filters, and
// a table. The page needs no network, and forbids itself to use one.
//
//	b := page.New(page.Options{Title: "etcd.pb.gz"})
//	err := b.Add(p, slices.Values(p.Sample))
//	err = b.WriteTo(w)
package page

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"slices"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/flame"
)

//go:embed page.html
var pageText string

//go:embed web/page.css
var style string

//go:embed web/data.js
var dataScript string

//go:embed web/tree.js
var treeScript string

//go:embed web/time.js
var timeScript string

//go:embed web/lanes.js
var lanesScript string

//go:embed web/table.js
var tableScript string

//go:embed web/filter.js
var filterScript string

//go:embed web/page.js
var pageScript string

var page = template.Must(template.New("page").Parse(pageText))

// Write writes the page of one profile.
func Write(w io.Writer, p *profile.Profile, o Options) error {
	b := New(o)
	if err := b.Add(p, slices.Values(p.Sample)); err != nil {
		return fmt.Errorf("write html: %w", err)
	}
	b.AddLanes(p, slices.Values(p.Sample))
	return b.Write(w)
}

// Write writes the page.
func (b *Builder) Write(w io.Writer) error {
	if err := b.write(w); err != nil {
		return fmt.Errorf("write html: %w", err)
	}
	return nil
}

func (b *Builder) write(w io.Writer) error {
	var frame bytes.Buffer
	if err := b.frame(&frame, ""); err != nil {
		return err
	}
	at := bytes.LastIndex(frame.Bytes(), []byte(mark)) // a title may have it too
	if _, err := w.Write(frame.Bytes()[:at]); err != nil {
		return err
	}
	encoder := base64.NewEncoder(base64.StdEncoding, w)
	if err := b.Data(encoder); err != nil {
		return err
	}
	if err := encoder.Close(); err != nil {
		return err
	}
	_, err := w.Write(frame.Bytes()[at+len(mark):])
	return err
}

// frame writes all but the data, which are to be put in place of the mark or, if the page is served, are fetched from a path.
func (b *Builder) frame(w io.Writer, from string) error {
	style, script := flame.Style+style, flame.Script+dataScript+treeScript+timeScript+lanesScript+filterScript+tableScript+pageScript
	policy := "default-src 'none'; img-src data:; style-src " + hash(style) + "; script-src " + hash(script)
	if from != "" {
		policy += "; connect-src 'self'"
	}
	return page.Execute(w, struct {
		Title, Policy, From, Mark string
		Style                     template.CSS
		Script                    template.JS
	}{b.options.Title, policy, from, mark, template.CSS(style), template.JS(script)})
}

// mark is where the data go in the page.
const mark = "@data@"

// hash allows one inline element by its text (Content Security Policy, hash-source).
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
