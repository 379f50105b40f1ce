//go:build kernels

package kernels

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Debian's suites have a kernel each, and packages of it for virtual machines, in which all that a machine of ours needs
// is built in. apt reads its lists into a folder of our own: the host's are left alone.

var suites = []string{"bullseye", "bookworm", "trixie", "forky"}

// debian is a folder with apt's files and the kernels.
type debian string

func (d debian) apt(t *testing.T, program string, args ...string) string {
	t.Helper()
	cmd := exec.Command(program, append([]string{"-q", "-c", filepath.Join(string(d), "apt.conf")}, args...)...)
	cmd.Dir = string(d)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v", program, strings.Join(args, " "), err)
	}
	return string(out)
}

// update reads the suites' lists, if that was not done before.
func (d debian) update(t *testing.T) {
	t.Helper()
	var sources strings.Builder
	for _, s := range suites {
		fmt.Fprintf(&sources, "deb http://deb.debian.org/debian %s main\n", s)
	}
	conf := fmt.Sprintf(`Dir::State "%[1]s/state";
Dir::State::status "%[1]s/status";
Dir::Cache "%[1]s/cache";
Dir::Etc::sourcelist "%[1]s/sources.list";
Dir::Etc::sourceparts "/dev/null";
APT::Architectures { "amd64"; "arm64"; };
APT::Sandbox::User "root";
Acquire::Languages "none";
`, d)
	for name, content := range map[string]string{"apt.conf": conf, "status": "", "sources.list": sources.String()} {
		check(t, os.WriteFile(filepath.Join(string(d), name), []byte(content), 0o644))
	}
	if lists, _ := filepath.Glob(filepath.Join(string(d), "state/lists/*_Packages*")); len(lists) < 2*len(suites) {
		check(t, os.MkdirAll(filepath.Join(string(d), "state/lists/partial"), 0o755))
		check(t, os.MkdirAll(filepath.Join(string(d), "cache/archives/partial"), 0o755))
		d.apt(t, "apt-get", "update")
	}
}

// kernelPackage matches packages that have a kernel. Since 6.19 linux-image-* are empty, and linux-binary-* have it.
var kernelPackage = regexp.MustCompile(`^linux-(?:image|binary)-([0-9][^ ]*)-cloud-(amd64|arm64)$`)

// newest picks the newest package of a series, "6.1", or of all with "newest".
func newest(names []string, series, arch string) string {
	best, version := "", []int(nil)
	for _, name := range names {
		m := kernelPackage.FindStringSubmatch(name)
		if m == nil || m[2] != arch || series != "newest" && !strings.HasPrefix(m[1], series+".") {
			continue
		}
		v := numbers(m[1])
		if c := slices.Compare(v, version); c > 0 || c == 0 && strings.HasPrefix(name, "linux-binary-") {
			best, version = name, v
		}
	}
	return best
}

var digits = regexp.MustCompile(`[0-9]+`)

func numbers(version string) (v []int) {
	for _, d := range digits.FindAllString(version, -1) {
		n, _ := strconv.Atoi(d)
		v = append(v, n)
	}
	return v
}

// kernel returns the file of a kernel that can be booted, and its package.
func (d debian) kernel(t *testing.T, series, arch string) (file, pkg string) {
	t.Helper()
	names := strings.Fields(strings.ReplaceAll(d.apt(t, "apt-cache", "pkgnames", "linux-"), ":arm64", ""))
	pkg = newest(names, series, arch)
	if pkg == "" {
		t.Fatalf("no package of %s for %s in %q", series, arch, suites)
	}
	file = filepath.Join(string(d), pkg)
	if _, err := os.Stat(file); err == nil {
		return file, pkg
	}
	dir := t.TempDir()
	get := exec.Command("apt-get", "-q", "-c", filepath.Join(string(d), "apt.conf"), "download", pkg+":"+arch)
	get.Dir = dir
	if out, err := get.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", get, err, out)
	}
	debs, _ := filepath.Glob(filepath.Join(dir, "*.deb"))
	if len(debs) != 1 {
		t.Fatalf("%v: %q", get, debs)
	}
	unpack := exec.Command("dpkg-deb", "-x", debs[0], dir)
	if out, err := unpack.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", unpack, err, out)
	}
	old, _ := filepath.Glob(filepath.Join(dir, "boot/vmlinuz-*"))
	now, _ := filepath.Glob(filepath.Join(dir, "usr/lib/modules/*/vmlinuz"))
	found := append(old, now...)
	if len(found) != 1 {
		t.Fatalf("%s: kernels %q", pkg, found)
	}
	image, err := os.ReadFile(found[0])
	check(t, cmp.Or(err, os.WriteFile(file, image, 0o644)))
	return file, pkg
}

func TestNewest(t *testing.T) {
	names := []string{"linux-image-6.1.0-9-cloud-amd64", "linux-image-6.1.0-50-cloud-amd64", "linux-image-6.1.0-51-cloud-amd64-dbg",
		"linux-image-6.12.1+deb13-cloud-amd64", "linux-image-7.2.12+deb14-cloud-amd64", "linux-binary-7.2.12+deb14-cloud-amd64",
		"linux-image-6.1.0-60-cloud-arm64", "linux-image-6.1.0-70-amd64"}
	for series, want := range map[string]string{"6.1": names[1], "6.12": names[3], "newest": names[5], "5.10": ""} {
		if got := newest(names, series, "amd64"); got != want {
			t.Errorf("newest of %s = %q, want %q", series, got, want)
		}
	}
}
