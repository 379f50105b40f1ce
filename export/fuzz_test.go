package export

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/samples/hostile"
)

// FuzzFormats writes any profile in each format. A line of folded is a stack and a number, whatever functions are called.
func FuzzFormats(f *testing.F) {
	hostile.Fuzz(f, func(t *testing.T, p *profile.Profile) {
		if textOf(p) > 8<<20 { // what is written is as long, and the fuzzer gives an input ten seconds
			return
		}
		for _, format := range Formats() {
			var out bytes.Buffer
			err := format.Write(&out, p, Options{Labels: []string{"k", "go.state"}})
			if errors.Is(err, errRange) || errors.Is(err, errNoColumns) || format.Timeline && err != nil {
				continue
			}
			if err != nil {
				t.Fatalf("%s: %v", format.Name, err)
			}
			if format.MIME == jsonText && !json.Valid(out.Bytes()) {
				t.Fatalf("%s: no JSON", format.Name)
			}
			if format.MIME != octets && !utf8.Valid(out.Bytes()) {
				t.Fatalf("%s: no UTF-8", format.Name)
			}
			if format.Name != "folded" {
				continue
			}
			for line := range strings.Lines(out.String()) {
				if _, n, ok := strings.Cut(line, " "); !ok || n == "\n" || !strings.HasSuffix(line, "\n") {
					t.Fatalf("%.100q", line)
				}
			}
		}
	})
}

// textOf is how long all stacks are as text.
func textOf(p *profile.Profile) (n int) {
	for _, s := range p.Sample {
		for _, l := range s.Location {
			for _, line := range l.Line {
				if n++; line.Function != nil {
					n += len(line.Function.Name)
				}
			}
		}
	}
	return n
}
