package page

import (
	"bytes"
	"encoding/base64"
	"testing"

	"github.com/google/pprof/profile"

	fuzzed "github.com/mayfly-profiler/mayfly/internal/samples/hostile"
)

// FuzzPage writes the page of any profile: what the profile says is in the data and nowhere else, so the page around them is the
// same for all.
func FuzzPage(f *testing.F) {
	var empty bytes.Buffer
	if err := New(Options{}).frame(&empty, ""); err != nil {
		f.Fatal(err)
	}
	at := bytes.LastIndex(empty.Bytes(), []byte(mark))
	before, behind := empty.Bytes()[:at], empty.Bytes()[at+len(mark):]
	fuzzed.Fuzz(f, func(t *testing.T, p *profile.Profile) {
		var out bytes.Buffer
		if err := Write(&out, p, Options{}); err != nil {
			return
		}
		data, ok := bytes.CutPrefix(out.Bytes(), before)
		data, also := bytes.CutSuffix(data, behind)
		if !ok || !also {
			t.Fatal("the page is another")
		}
		if _, err := base64.StdEncoding.DecodeString(string(data)); err != nil {
			t.Fatal(err)
		}
	})
}
