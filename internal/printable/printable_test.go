package printable

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/mayfly-profiler/mayfly/internal/cost"
)

const hostile = "a\x1b[2Jb\x07\x9b31m\u009b\u202ec\xffd\r\u2028e\x7f"

func TestLine(t *testing.T) {
	if got, want := Line("a\tb\nc"), "a\ufffdb\ufffdc"; got != want {
		t.Errorf("Line = %q, want %q", got, want)
	}
	if got, want := Line("Ωμέγα → ±5 µs"), "Ωμέγα → ±5 µs"; got != want {
		t.Errorf("Line = %q, want %q", got, want)
	}
	if got := Line(hostile); !harmless(got) {
		t.Errorf("Line = %q", got)
	}
}

func harmless(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return harmful(r) && r != '\n' && r != '\t' })
}

// TestTextInPieces writes byte by byte: no character may be torn.
func TestTextInPieces(t *testing.T) {
	text := "µ→\n\t" + hostile + "世界"
	var whole, pieces bytes.Buffer
	if _, err := io.WriteString(NewText(&whole), text); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(struct{ io.Writer }{NewText(&pieces)},
		struct{ io.Reader }{iotest.OneByteReader(strings.NewReader(text))}); err != nil {
		t.Fatal(err)
	}
	if whole.String() != pieces.String() {
		t.Errorf("whole  %q\npieces %q", whole.String(), pieces.String())
	}
	if got := whole.String(); !harmless(got) || !strings.HasPrefix(got, "µ→\n\ta") || !strings.HasSuffix(got, "世界") {
		t.Errorf("text = %q", got)
	}
}

// TestJSONStaysTheSame decodes what was written.
func TestJSONStaysTheSame(t *testing.T) {
	var b bytes.Buffer
	in := strings.ToValidUTF8(hostile, "?")
	enc := json.NewEncoder(NewJSON(&b))
	enc.SetEscapeHTML(false)
	if err := enc.Encode(in); err != nil {
		t.Fatal(err)
	}
	var out string
	if err := json.Unmarshal(b.Bytes(), &out); err != nil || out != in {
		t.Errorf("decoded %q, %v, want %q", out, err, in)
	}
	if !harmless(b.String()) {
		t.Errorf("written: %q", b.String())
	}
}

func FuzzWriters(f *testing.F) {
	f.Add([]byte(hostile), 3)
	f.Add(bytes.Repeat([]byte("\x1b\x9b"), 1<<12), 1)
	f.Fuzz(func(t *testing.T, p []byte, at int) {
		cost.Small.Hold(t, func() {
			if at < 0 || at > len(p) {
				at = len(p)
			}
			for _, make := range []func(io.Writer) *Writer{NewText, NewJSON} {
				var b bytes.Buffer
				w := make(&b)
				for _, piece := range [][]byte{p[:at], p[at:]} {
					if n, err := w.Write(piece); n != len(piece) || err != nil {
						t.Fatalf("Write = %d, %v", n, err)
					}
				}
				if !harmless(b.String()) {
					t.Errorf("%q -> %q", p, b.String())
				}
			}
		})
	})
}

func BenchmarkText(b *testing.B) {
	line := []byte(strings.Repeat("github.com/example/service.(*Store).Book 12.5 ms\n", 20))
	b.SetBytes(int64(len(line)))
	w := NewText(io.Discard)
	for b.Loop() {
		w.Write(line)
	}
}
