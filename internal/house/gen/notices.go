// Command gen writes THIRD_PARTY_NOTICES: the licences and notices of all that a command of a release links,
// on every platform, from the modules themselves. Run it by go generate ./internal/house after a change of go.mod.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

var platforms = []string{"linux/amd64", "linux/arm64", "darwin/arm64", "windows/amd64"}

// legal are the names of files that a licence wants passed on.
var legal = regexp.MustCompile(`(?i)^(LICEN[CS]E|COPYING|COPYRIGHT|NOTICE|PATENTS)([.-].*)?$`)

func main() {
	log.SetFlags(0)
	root := "../.." // go generate runs in internal/house
	for _, c := range commands {
		text, err := c.notices(root)
		if err == nil {
			err = os.WriteFile(c.file(root), text, 0o644)
		}
		if err != nil {
			log.Fatal(err)
		}
	}
}

// command is one that releases have, in the folder of its module.
type command struct{ name, module, pkg string }

var commands = []command{{"mayfly", ".", "./cmd/mayfly"}, {"kubectl-mayfly", "cmd/kubectl-mayfly", "."}}

func (c command) file(root string) string {
	return filepath.Join(root, c.module, "THIRD_PARTY_NOTICES")
}

// linked is a package of another module, as go list has it.
type linked struct {
	Dir    string
	Module *struct {
		Path, Version, Dir string
		Main               bool
	}
}

// texts are licences and notices, and by whom each is used.
type texts map[string]map[string]bool

func (t texts) use(file, who string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	text := strings.TrimSpace(strings.ReplaceAll(string(b), "\r\n", "\n"))
	if t[text] == nil {
		t[text] = map[string]bool{}
	}
	t[text][who] = true
	return nil
}

// notices is the content of the file.
func (c command) notices(root string) ([]byte, error) {
	all := texts{}
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return nil, err
	}
	if err := all.use(filepath.Join(strings.TrimSpace(string(goroot)), "LICENSE"), "The Go standard library and runtime"); err != nil {
		return nil, err
	}
	for _, platform := range platforms {
		pkgs, err := c.packages(root, platform)
		if err != nil {
			return nil, err
		}
		for _, p := range pkgs {
			files, err := p.legal()
			for _, f := range files {
				err = errors.Join(err, all.use(f, p.Module.Path))
			}
			if err != nil {
				return nil, err
			}
		}
	}
	return all.render(c.name), nil
}

// packages are those of other modules that the command links on a platform.
func (c command) packages(root, platform string) ([]linked, error) {
	goos, goarch, _ := strings.Cut(platform, "/")
	cmd := exec.Command("go", "list", "-deps", "-json=Dir,Module", c.pkg)
	cmd.Dir, cmd.Env = filepath.Join(root, c.module), append(os.Environ(), "GOOS="+goos, "GOARCH="+goarch, "CGO_ENABLED=0", "GOFLAGS=")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list for %s: %w: %s", platform, err, stderr.Bytes())
	}
	var pkgs []linked
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p linked
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs, nil
		} else if err != nil {
			return nil, err
		}
		if p.Module != nil && !p.Module.Main {
			pkgs = append(pkgs, p)
		}
	}
}

// legal are the files that hold for the package: in its folder and in those above it, up to the module's.
func (p linked) legal() (files []string, err error) {
	for dir := p.Dir; ; dir = filepath.Dir(dir) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if e.Type().IsRegular() && legal.MatchString(e.Name()) {
				files = append(files, filepath.Join(dir, e.Name()))
			}
		}
		if len(dir) <= len(p.Module.Dir) {
			break
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s has no licence", p.Module.Path)
	}
	return files, nil
}

const rule = "--------------------------------------------------------------------------------\n"

// render writes each text once, below the names of those that use it, in the order of these names.
func (t texts) render(name string) []byte {
	byNames := map[string][]string{}
	for text, by := range t {
		names := strings.Join(slices.Sorted(maps.Keys(by)), "\n")
		byNames[names] = append(byNames[names], text)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "The command %s links the modules below. Written by go generate ./internal/house; do not edit.\n\n", name)
	for _, names := range slices.Sorted(maps.Keys(byNames)) {
		slices.Sort(byNames[names])
		fmt.Fprintf(&b, "%s%s\n\n%s\n\n", rule, names, strings.Join(byNames[names], "\n\n"))
	}
	return b.Bytes()
}
