package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/mayfly-profiler/mayfly/internal/target"
)

// TestOutputIsPrivate writes over a file that all may read, as a plain create would leave it.
func TestOutputIsPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mayfly.pb.gz")
	if err := os.WriteFile(path, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := writeOutput(&env{}, output{path: path}, hello); err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v, want mode 0600", st.Mode(), err)
	}
}

// TestOutputBelongsToTheCallerOfSudo needs root.
func TestOutputBelongsToTheCallerOfSudo(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("giving files away needs root")
	}
	path := filepath.Join(t.TempDir(), "new", "mayfly.pb.gz")
	e := &env{getenv: func(k string) string { return map[string]string{"SUDO_UID": "65534", "SUDO_GID": "65534"}[k] }}
	if err := writeOutput(e, output{path: path}, hello); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{path, filepath.Dir(path)} {
		st, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if s := st.Sys().(*syscall.Stat_t); s.Uid != 65534 || s.Gid != 65534 {
			t.Errorf("%s: owner %d:%d, want 65534:65534", path, s.Uid, s.Gid)
		}
	}
}

// TestOutputFolderLink: in a folder like /tmp a link of somebody else to a folder is not followed, one of our own is, and
// so is anybody's where not everybody can make them.
func TestOutputFolderLink(t *testing.T) {
	dir, tmp := t.TempDir(), t.TempDir()
	link := filepath.Join(tmp, "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	const other = 54321 // no user's: not that of whoever runs the test either
	target.Need(t, os.Lchown(link, other, other))
	paths := []string{filepath.Join(link, "out"), filepath.Join(link, "new", "out")} // with its folder, and one to make
	for _, tt := range []struct {
		mode  os.FileMode
		owner int
		want  string
	}{
		{0o777 | os.ModeSticky, other, "somebody else"}, // first: nothing is there yet
		{0o777 | os.ModeSticky, os.Geteuid(), ""},
		{0o755, other, ""},
	} {
		if err := errors.Join(os.Chmod(tmp, tt.mode), os.Lchown(link, tt.owner, tt.owner)); err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			for _, err := range []error{checkOutput(&env{}, path), writeOutput(&env{}, output{path: path}, hello)} {
				if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
					t.Errorf("%+v: %v", tt, err)
				}
			}
		}
		if tt.want != "" {
			wantFiles(t, dir)
		}
	}
}

// TestOutputPipe writes to a pipe with a reader, refuses one without, which would hang, and one of somebody else.
func TestOutputPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o622); err != nil {
		t.Fatal(err)
	}
	if err := checkOutput(&env{}, path); err != nil {
		t.Error(err)
	}
	if err := writeOutput(&env{}, output{path: path}, hello); err == nil || !strings.Contains(err.Error(), "nobody reads") {
		t.Errorf("pipe without a reader: %v", err)
	}
	r, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := writeOutput(&env{}, output{path: path}, hello); err != nil {
		t.Error(err)
	}
	b := make([]byte, 16)
	if n, _ := r.Read(b); string(b[:n]) != "hello" {
		t.Errorf("read %q", b[:n])
	}
	if os.Geteuid() != 0 {
		return
	}
	if err := os.Chown(path, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{checkOutput(&env{}, path), writeOutput(&env{}, output{path: path}, hello)} {
		if err == nil || !strings.Contains(err.Error(), "somebody else") {
			t.Errorf("pipe of nobody: %v", err)
		}
	}
}

// TestOutputToOurOwnStdout: /dev/stdout leads to a file here, which must not become a file in /dev.
func TestOutputToOurOwnStdout(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	path := "/proc/self/fd/" + strconv.Itoa(int(f.Fd()))
	if err := checkOutput(&env{}, path); err != nil {
		t.Error(err)
	}
	if err := writeOutput(&env{}, output{path: path}, hello); err != nil {
		t.Fatal(err)
	}
	wantFile(t, f.Name(), "hello")
	if st, err := os.Lstat("/dev/stdout"); err != nil || st.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("/dev/stdout: %v, %v", st, err)
	}
}
