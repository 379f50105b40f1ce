package house

import (
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// A release has every command, each with the licences of what it links, and is the same wherever and whenever it is made: .ci/release makes
// it twice. What that hangs on is held here.

// release is what of .goreleaser.yaml it hangs on.
type release struct {
	Builds []struct {
		ID, Dir, Main string
		Env, Flags    []string
		Timestamp     string `yaml:"mod_timestamp"`
	}
	Archives []struct {
		ID         string
		IDs        []string `yaml:"ids"`
		BuildsInfo fileInfo `yaml:"builds_info"`
		Files      []struct {
			Src  string
			Info fileInfo
		}
	}
	NFPMs []struct {
		IDs   []string `yaml:"ids"`
		Mtime string
	} `yaml:"nfpms"`
	Dockers []struct {
		IDs []string `yaml:"ids"`
	} `yaml:"dockers_v2"`
	Krews []struct {
		IDs []string `yaml:"ids"`
	}
}

type fileInfo struct {
	Owner, Group, Mtime string
	Mode                int
}

// lacking says what is wrong with a release of these commands, folders below the root.
func lacking(text string, commands []string) (bad []string) {
	var r release
	if err := yaml.Unmarshal([]byte(text), &r); err != nil {
		return []string{err.Error()}
	}
	built := make(map[string]string) // ids by folder
	for _, b := range r.Builds {
		built[path.Join(b.Dir, b.Main)] = b.ID
		if b.Timestamp != "{{ .CommitTimestamp }}" || !slices.Contains(b.Flags, "-trimpath") || !slices.Contains(b.Env, "CGO_ENABLED=0") {
			bad = append(bad, b.ID+" is another binary each time")
		}
	}
	if folders := slices.Sorted(maps.Keys(built)); !slices.Equal(folders, commands) {
		bad = append(bad, fmt.Sprintf("commands %q, built are %q", commands, folders))
	}
	for _, a := range r.Archives {
		bad = append(bad, a.BuildsInfo.lacks(a.ID, false)...)
		var names []string
		for _, f := range a.Files {
			names = append(names, strings.TrimSuffix(path.Base(f.Src), "*"))
			bad = append(bad, f.Info.lacks(a.ID+": "+f.Src, true)...)
		}
		if len(a.IDs) != 1 || !slices.Contains(names, "LICENSE") || !slices.Contains(names, "THIRD_PARTY_NOTICES") {
			bad = append(bad, fmt.Sprintf("%s has %q and %q", a.ID, a.IDs, names))
		}
	}
	for _, n := range r.NFPMs {
		if n.Mtime != "{{ .CommitDate }}" || !slices.Equal(n.IDs, []string{"mayfly"}) {
			bad = append(bad, fmt.Sprintf("packages of %q, at %q", n.IDs, n.Mtime))
		}
	}
	if len(r.Archives) != len(r.Builds) || len(r.NFPMs) != 1 || len(r.Dockers) != 1 || !slices.Equal(r.Dockers[0].IDs, []string{"mayfly"}) ||
		len(r.Krews) != 1 || !slices.Equal(r.Krews[0].IDs, []string{"kubectl-mayfly"}) {
		bad = append(bad, "an archive for each command, packages and an image of mayfly, a manifest of the plugin are a release")
	}
	return bad
}

// lacks says what of a file in an archive is the machine's. A binary's time is that of the build.
func (f fileInfo) lacks(what string, timed bool) []string {
	if f.Owner == "root" && f.Group == "root" && f.Mode != 0 && (!timed || f.Mtime == "{{ .CommitDate }}") {
		return nil
	}
	return []string{fmt.Sprintf("%s: %+v of the machine that makes it", what, f)}
}

func TestReleaseIsReproducible(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", ".goreleaser.yaml"))
	check(t, err)
	entries, err := os.ReadDir(filepath.Join("..", "..", "cmd"))
	check(t, err)
	var commands []string
	for _, e := range entries {
		commands = append(commands, "cmd/"+e.Name())
	}
	for _, bad := range lacking(string(text), commands) {
		t.Error(bad)
	}
	for _, line := range []string{"mod_timestamp: \"{{ .CommitTimestamp }}\"", "flags: [-trimpath]", "env: [CGO_ENABLED=0]",
		"dir: cmd/kubectl-mayfly", ", mtime: \"{{ .CommitDate }}\"", "    mtime: \"{{ .CommitDate }}\"", "owner: root, ", ", mode: 0755",
		"        info: *info", "- src: cmd/kubectl-mayfly/THIRD_PARTY_NOTICES", "ids: [mayfly]", "ids: [kubectl-mayfly]"} {
		without := strings.Replace(string(text), line, "", 1)
		if bad := lacking(without, commands); len(bad) == 0 || without == string(text) {
			t.Errorf("without %q nothing is wrong", line)
		}
	}
}
