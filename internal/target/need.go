package target

import (
	"errors"
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
