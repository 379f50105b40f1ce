package target

import (
	"os"
	"slices"
	"testing"
)

// releases holds the last patch release of every minor version that mayfly knows, oldest first.
var releases = []string{"1.19.13", "1.20.14", "1.21.13", "1.22.12", "1.23.12", "1.24.13", "1.25.7", "1.26.11", "1.27.4"}

// oldestProfiled is the first release in which every engine is exercised; the layout tables
// reach further back.
const oldestProfiled = "1.21.13"

// Releases returns the toolchains to test layouts with, oldest first: the local one ("") by
// default, all that mayfly knows when MAYFLY_MATRIX=all.
func Releases(t testing.TB) []string {
	t.Helper()
	if os.Getenv("MAYFLY_MATRIX") != "all" {
		return []string{""}
	}
	local, err := toolchain("")
	check(t, err)
	all := slices.Clone(releases)
	if i := slices.Index(all, local[len("go"):]); i >= 0 {
		all[i] = ""
		return all
	}
	return append(all, "")
}

// Modes are the ways of building that change what a profiler meets.
func Modes() []Build {
	return []Build{{}, {PIE: true}, {CGO: true}, {Strip: true}, {PIE: true, CGO: true, Strip: true}}
}

// Matrix returns the builds to run a test of an engine with: the local toolchain in all Modes by
// default, every toolchain from Go 1.21 in all Modes when MAYFLY_MATRIX=all.
func Matrix(t testing.TB) []Build {
	t.Helper()
	goes := Releases(t)
	if i := slices.Index(goes, oldestProfiled); i > 0 {
		goes = goes[i:]
	}
	var all []Build
	for _, v := range goes {
		for _, b := range Modes() {
			b.Go = v
			all = append(all, b)
		}
	}
	return all
}
