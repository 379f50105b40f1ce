package symbolize

import (
	"strings"

	"github.com/ianlancetaylor/demangle"
)

const (
	maxMangled = 8 << 10 // bytes; longer names stay as they are
	// maxDemangled is the binary logarithm of the longest result: substitutions let a short
	// mangled name stand for one that does not fit into memory.
	maxDemangled = 12
)

// demangled returns the readable form of a C++ or Rust name, without parameters and template
// arguments, as go tool pprof shows it, or the name itself.
func demangled(name string) (out string) {
	if len(name) > maxMangled || !mangled(name) {
		return name
	}
	// The name comes from a file that we do not trust.
	defer func() {
		if recover() != nil {
			out = name
		}
	}()
	s, err := demangle.ToString(name, demangle.NoParams, demangle.NoTemplateParams, demangle.MaxLength(maxDemangled))
	if err != nil || s == "" {
		return name
	}
	return s
}

func mangled(name string) bool {
	name = strings.TrimLeft(name, "_")
	return strings.HasPrefix(name, "Z") || strings.HasPrefix(name, "R")
}
