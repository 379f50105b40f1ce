package target

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"testing"
)

// Need fails the test on err, unless err says that this host lacks a right or a facility: then the
// test is skipped, or with MAYFLY_REQUIRE_BPF=1 failed all the same. A nil err is fine.
func Need(t testing.TB, err error) {
	t.Helper()
	if err == nil {
		return
	}
	lacking := errors.Is(err, fs.ErrPermission) || errors.Is(err, errors.ErrUnsupported)
	if lacking && os.Getenv("MAYFLY_REQUIRE_BPF") != "1" {
		t.Skip(err)
	}
	t.Fatal(err)
}

// NeedKernel is Need for what not all kernels have that are supported: in an emulated machine, which has one of those, the test is
// skipped in any case.
func NeedKernel(t testing.TB, err error) {
	t.Helper()
	if Emulated() && errors.Is(err, errors.ErrUnsupported) {
		check(t, &UnavailableError{"newer kernel", err})
	}
	Need(t, err)
}

// NeedAll is Need for a recording that lacks what the test is about: denied says why, as the recording's summary does.
func NeedAll(t testing.TB, has bool, denied []string) {
	t.Helper()
	if !has {
		Need(t, fmt.Errorf("not to be seen here: %w: %q", errors.ErrUnsupported, denied))
	}
}

// Emulated says whether the processors are emulated (MAYFLY_EMULATED=1): rates and shares of time are the emulator's there.
func Emulated() bool { return os.Getenv("MAYFLY_EMULATED") == "1" }

// NeedCPU skips a test of rates or shares of time where the processors are emulated.
func NeedCPU(t testing.TB) {
	t.Helper()
	if Emulated() {
		check(t, &UnavailableError{"processor with a clock of its own", errors.New("MAYFLY_EMULATED=1")})
	}
}
