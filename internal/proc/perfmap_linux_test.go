package proc

import (
	"io"
	"os"
	"path/filepath"
	"testing"
)

// A perf map is believed only if it is a regular file of the process's user that no link leads to.
func TestOpenOwn(t *testing.T) {
	root := t.TempDir()
	path := func(name string) string { return filepath.Join(root, "tmp", name) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Mkdir(filepath.Join(root, "tmp"), 0o700))
	must(os.WriteFile(path("own"), []byte("1000 10 f\n"), 0o600))
	must(os.Symlink("own", path("link")))
	must(os.Symlink("tmp", filepath.Join(root, "alias")))
	must(os.Mkdir(path("folder"), 0o700))
	uid := uint32(os.Getuid())
	f, err := openOwn(root, "tmp/own", uid)
	must(err)
	defer f.Close()
	if b, err := io.ReadAll(f); string(b) != "1000 10 f\n" {
		t.Errorf("read %q, %v", b, err)
	}
	for _, name := range []string{"tmp/link", "alias/own", "tmp/folder", "tmp/none"} {
		if f, err := openOwn(root, name, uid); err == nil {
			f.Close()
			t.Errorf("%s was opened", name)
		}
	}
	if f, err := openOwn(root, "tmp/own", uid+1); err == nil {
		f.Close()
		t.Error("another user's file was opened")
	}
}

func TestInnerPID(t *testing.T) {
	for status, want := range map[string]int{"NSpid:\t42\n": 42, "NSpid:\t42\t7\t1\n": 1, "Uid:\t0\n": 42, "NSpid:\tx\n": 42, "NSpid:\n": 42} {
		if got := innerPID([]byte(status), 42); got != want {
			t.Errorf("%q: got %d, want %d", status, got, want)
		}
	}
}
