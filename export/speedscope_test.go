package export

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/chromedp/chromedp"
	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/chrome"
	"github.com/mayfly-profiler/mayfly/internal/target"
)

// speedscope is the page of speedscope's release, as npm has it.
func speedscope(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "speedscope"))); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("npm", "ci", "--ignore-scripts", "--silent", "--no-audit", "--no-fund")
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = &target.UnavailableError{What: "speedscope", Err: fmt.Errorf("npm ci: %w: %s", err, out)}
	}
	target.NeedForeign(t, err)
	return "file://" + filepath.Join(dir, "node_modules", "speedscope", "dist", "release", "index.html")
}

// saved is what speedscope exports of the profiles that it has imported: the calls of each in the order of its time.
type saved struct {
	ActiveProfileIndex int
	Shared             struct{ Frames []struct{ Name string } }
	Profiles           []struct {
		Name, Unit string
		EndValue   int64
		Events     []struct {
			Type  string
			Frame int
			At    int64
		}
	}
}

// byStack adds up how long each stack was the innermost.
func (s *saved) byStack(profile int) map[string]int64 {
	sums := make(map[string]int64)
	var stack []string
	last := int64(0)
	for _, e := range s.Profiles[profile].Events {
		if e.At > last {
			sums[strings.Join(stack, "\n")] += e.At - last
			last = e.At
		}
		if e.Type == "O" {
			stack = append(stack, s.Shared.Frames[e.Frame].Name)
		} else {
			stack = stack[:len(stack)-1]
		}
	}
	return sums
}

// TestSpeedscopeReads has speedscope itself import what is written, and export what it has understood.
func TestSpeedscopeReads(t *testing.T) {
	page := speedscope(t)
	ctx, _ := chrome.Start(t)
	script := filepath.Join(t.TempDir(), "profile.js") // what speedscope's own command line writes: a call with a file
	if err := os.WriteFile(script, []byte("load = speedscope.loadFileFromBase64"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := chromedp.Run(ctx, chromedp.Navigate(page+"#viewMode=sandwich&localProfilePath="+script), // a table: no WebGL
		chromedp.Poll("window.load !== undefined", nil),
		chromedp.Evaluate(`URL.createObjectURL = b => { b.text().then(t => saved = t); return "data:," }`, nil)); err != nil {
		t.Fatal(err)
	}
	for name, all := range recordings(t) {
		labels := []string{"request", "go.id"}[:len(name)%3]
		for _, p := range parts(all) {
			var file bytes.Buffer
			if err := writeSpeedscope(&file, p, Options{Labels: labels}); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if !utf8.Valid(file.Bytes()) {
				t.Errorf("%s: not UTF-8", name)
			}
			var text string
			load := fmt.Sprintf(`document.title = saved = ""; load("x.speedscope.json", %q)`, base64.StdEncoding.EncodeToString(file.Bytes()))
			if err := chromedp.Run(ctx, chromedp.Evaluate(load, nil), chromedp.Poll(`document.title !== ""`, nil),
				chromedp.Evaluate(`void window.dispatchEvent(new KeyboardEvent("keydown", {key: "s", ctrlKey: true}))`, nil),
				chromedp.Poll("saved", &text)); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			var got saved
			if err := json.Unmarshal([]byte(text), &got); err != nil {
				t.Fatal(err)
			}
			holdSpeedscope(t, fmt.Sprint(name, labels), &got, p, labels)
		}
	}
}

// parts are the columns of a profile of which speedscope's export would be longer than a string of V8 can be, else the profile.
func parts(p *profile.Profile) (all []*profile.Profile) {
	if len(p.Sample) < 100_000 {
		return []*profile.Profile{p}
	}
	for c, column := range p.SampleType {
		one := &profile.Profile{SampleType: []*profile.ValueType{column}, PeriodType: p.PeriodType, Period: p.Period,
			Mapping: p.Mapping, Location: p.Location, Function: p.Function}
		for _, s := range p.Sample {
			part := *s
			part.Value = s.Value[c : c+1]
			one.Sample = append(one.Sample, &part)
		}
		all = append(all, one)
	}
	return all
}

func holdSpeedscope(t *testing.T, name string, got *saved, p *profile.Profile, labels []string) {
	t.Helper()
	if len(got.Profiles) != len(p.SampleType) {
		t.Fatalf("%s: %d profiles of %d columns", name, len(got.Profiles), len(p.SampleType))
	}
	first, _ := Options{}.column(p)
	if got.ActiveProfileIndex != first {
		t.Errorf("%s: shows column %d first, want %d", name, got.ActiveProfileIndex, first)
	}
	for c, column := range p.SampleType {
		if g := got.Profiles[c]; g.Name != column.Type || g.Unit != speedscopeUnit(column.Unit) {
			t.Errorf("%s: %s %s, want %s %s", name, g.Name, g.Unit, column.Type, column.Unit)
		}
		sameSums(t, name+", "+column.Type, got.byStack(c), byStack(p, c, labels))
	}
}
