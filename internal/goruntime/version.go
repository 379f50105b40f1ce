package goruntime

import (
	"fmt"
	"strconv"
	"strings"
)

// minor reads the minor version, 26, from what the toolchain calls itself: "go1.26.8",
// "go1.25.7 X:jsonv2", "go1.26.8-X:jsonv2" (since Go 1.26), "go1.22.3-corp", "go1.27rc1", "go1.27-devel_1a2b3c",
// "devel go1.27-1a2b3c Tue ...". It is 0 when there is none to be found.
func minor(version string) int {
	_, rest, ok := strings.Cut(version, "go1.")
	if !ok {
		return 0
	}
	digits := 0
	for digits < len(rest) && digits < 4 && rest[digits] >= '0' && rest[digits] <= '9' {
		digits++
	}
	n, err := strconv.Atoi(rest[:digits])
	if err != nil {
		return 0
	}
	return n
}

// doubt says why a build by this toolchain may not have the layout of its minor version's
// releases: experiments may add fields, and what comes before a release is still moving.
func doubt(version string) string {
	name, experiments, ok := strings.Cut(version, "X:")
	if ok {
		return fmt.Sprintf("built with GOEXPERIMENT=%s, which may have moved fields of the runtime", experiments)
	}
	for _, sign := range []string{"devel", "rc", "beta"} {
		if strings.Contains(name, sign) {
			return fmt.Sprintf("built by %s, which is not a release", name)
		}
	}
	return ""
}
