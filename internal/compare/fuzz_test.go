package compare

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/samples/hostile"
)

// FuzzCompare compares any profile with a default one, and with itself as if it were one.
func FuzzCompare(f *testing.F) {
	hostile.Fuzz(f, func(t *testing.T, p *profile.Profile) {
		for _, defaultProfile := range []*profile.Profile{nil, p} {
			r, err := Compare(defaultProfile, p, Options{Seed: 1})
			if errors.Is(err, ErrNoCPU) {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, format := range Formats().Names() {
				var out bytes.Buffer
				if err := Formats().Write(&out, format, r); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}
