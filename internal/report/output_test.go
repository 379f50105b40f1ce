package report

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// story is a scenario whose report has everything in it.
func story() *scenario {
	s := newScenario(8 * time.Second)
	for i := range int64(40) {
		wait := 20 * float64(i)
		g := s.goroutine(i+1, 100, fmt.Sprint("request=s", i), "endpoint=/fulfil", "tenant=initech")
		g.in("sync.Mutex.Lock", wait+0.5, locked).in("IO wait", 20, call).in("running", 1, "main.price"+serve)
	}
	for i := range int64(300) {
		s.goroutine(1000+i, 10+float64(i%50)*150, fmt.Sprint("request=q", i), "endpoint=/fulfil", "tenant=acme").
			in("running", 2, "main.price"+serve).in("IO wait", 3, dbCall)
	}
	for i := range int64(10) {
		s.goroutine(2000+i, 10+float64(i%50)*150, fmt.Sprint("request=x", i), "endpoint=/<script>", "tenant=acme").in("running", 2, "main.price"+serve)
	}
	return s
}

func TestGolden(t *testing.T) {
	slo, _ := ParseSLO("p99<100ms")
	for _, format := range []string{"text", "markdown", "html", "json"} {
		rs, err := New(story().profile(t), Options{SLO: slo, Request: Selector{Label, "request"}, By: "endpoint"})
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := Write(&b, format, rs); err != nil {
			t.Fatal(err)
		}
		golden(t, "story."+format, b.Bytes())
	}
	if err := Write(&bytes.Buffer{}, "xml", nil); err == nil {
		t.Error("xml is written")
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s differs (%v), -update rewrites it; got\n%.2000s", path, err, got)
	}
}

// TestPage is about what the page must not have: anything from elsewhere, or a name that is markup.
func TestPage(t *testing.T) {
	slo, _ := ParseSLO("p99<100ms")
	rs, err := New(story().profile(t), Options{SLO: slo, Request: Selector{Label, "request"}, By: "endpoint"})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := WriteHTML(&b, rs); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	if !strings.Contains(page, "default-src 'none'") {
		t.Error("the page may load something")
	}
	if links := regexp.MustCompile(`(src|href)=|url\(|@import`).FindAllString(page, -1); links != nil {
		t.Errorf("the page loads %q", links)
	}
	if n := strings.Count(page, "<script"); n != 3 { // the data of two groups, and the code
		t.Errorf("%d scripts: a name became markup", n)
	}
}
