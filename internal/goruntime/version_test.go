package goruntime

import "testing"

func TestMinor(t *testing.T) {
	for version, want := range map[string]int{
		"go1.26.8":                       26,
		"go1.25.7 X:jsonv2,greenteagc":   25,
		"go1.26.8-X:jsonv2":              26,
		"go1.22.9 (Red Hat 1.22.9-1)":    22,
		"go1.22.3-corp":                  22,
		"go1.27rc1":                      27,
		"go1.27-devel_5d1e3a2":           27,
		"devel go1.27-5d1e3a2 Tue Jan 6": 27,
		"devel +5d1e3a2":                 0,
		"go1.":                           0,
		"go1.99999999999999999999":       9999,
		"":                               0,
	} {
		if got := minor(version); got != want {
			t.Errorf("minor(%q) = %d, want %d", version, got, want)
		}
	}
}

func TestDoubt(t *testing.T) {
	for version, want := range map[string]string{
		"go1.26.8":             "",
		"go1.22.3-corp":        "",
		"go1.26.8-X:foo":       "built with GOEXPERIMENT=foo, which may have moved fields of the runtime",
		"go1.25.7 X:foo":       "built with GOEXPERIMENT=foo, which may have moved fields of the runtime",
		"go1.26rc1":            "built by go1.26rc1, which is not a release",
		"go1.26-devel_5d1e3a2": "built by go1.26-devel_5d1e3a2, which is not a release",
	} {
		if got := doubt(version); got != want {
			t.Errorf("doubt(%q) = %q, want %q", version, got, want)
		}
	}
}
