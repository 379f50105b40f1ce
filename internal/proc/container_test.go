package proc

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestParseGroup(t *testing.T) {
	id, other := strings.Repeat("3f2a", 16), strings.Repeat("0b", 32)
	const uid = "1d2e3f40-aaaa-bbbb-cccc-0123456789ab"
	under := strings.ReplaceAll(uid, "-", "_")
	for text, want := range map[string]Group{
		"0::/\n": {Path: "/"},
		"":       {},
		"0::/system.slice/docker-" + id + ".scope\n": {Path: "/system.slice/docker-" + id + ".scope", Container: id},
		"12:cpu,cpuacct:/docker/" + id + "\n0::/\n":  {Path: "/docker/" + id, Container: id},
		"0::/docker/" + other + "/" + id + "\n":      {Path: "/docker/" + other + "/" + id, Container: id},
		"0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + under + ".slice/cri-containerd-" + id + ".scope\n": {
			Path:      "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + under + ".slice/cri-containerd-" + id + ".scope",
			Container: id, Pod: uid},
		"0::/kubepods/besteffort/pod" + uid + "/" + id + "\n": {Path: "/kubepods/besteffort/pod" + uid + "/" + id, Container: id, Pod: uid},
		"0::/user.slice/" + id[:63] + "\n":                    {Path: "/user.slice/" + id[:63]},
		"0::/x/" + id + "0\n":                                 {Path: "/x/" + id + "0"}, // 65 digits
		"no colon":                                            {},
	} {
		if got := parseGroup([]byte(text)); got != want {
			t.Errorf("%q: %+v, want %+v", text, got, want)
		}
	}
}

func fakeProcess(t *testing.T) (*Process, string) {
	t.Helper()
	root := t.TempDir()
	dir := filepath.Join(root, "7")
	if err := os.MkdirAll(filepath.Join(dir, "root", filepath.Dir(accountNamespace)), 0o700); err != nil {
		t.Fatal(err)
	}
	return &Process{root: root, pid: 7}, dir
}

func TestVariable(t *testing.T) {
	p, dir := fakeProcess(t)
	environ := "A=1\x00LONG=" + strings.Repeat("x", longestResource) + "\x00AB=2\x00EMPTY=\x00C=a=b\x00noise"
	if err := os.WriteFile(filepath.Join(dir, "environ"), []byte(environ), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"A": "1", "AB": "2", "C": "a=b", "EMPTY": "", "B": "-", "LONG": "-", "noise": "-", "": "-"} {
		got, ok, err := p.Variable(name)
		if !ok {
			got = "-"
		}
		if err != nil || got != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}
