package proc

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The file is the container's to write: what is too long, or no file, is no namespace, and a link leads nowhere outside.
func TestNamespace(t *testing.T) {
	p, dir := fakeProcess(t)
	path := filepath.Join(dir, "root", accountNamespace)
	if got := p.Namespace(); got != "" {
		t.Errorf("no file: %q", got)
	}
	for text, want := range map[string]string{"shop\n": "shop", strings.Repeat("x", 1000): ""} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := p.Namespace(); got != want {
			t.Errorf("%.10q: %q", text, got)
		}
	}
	os.Remove(path)
	outside := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(outside, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, path); err != nil {
		t.Fatal(err)
	}
	if got := p.Namespace(); got != "" {
		t.Errorf("a link out of the container: %q", got)
	}
}
