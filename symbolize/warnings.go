package symbolize

import (
	"fmt"
	"slices"
)

// maxWarnings bounds what a process can make us say.
const maxWarnings = 64

// warnings are what kept symbols from being read, each once.
type warnings struct{ lines []string }

func (w *warnings) add(format string, args ...any) {
	if s := fmt.Sprintf(format, args...); len(w.lines) < maxWarnings && !slices.Contains(w.lines, s) {
		w.lines = append(w.lines, s)
	}
}
