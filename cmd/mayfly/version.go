package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// build is what the Go toolchain stamped into this executable.
type build struct {
	Version  string `json:"version"`  // module version, or "devel"
	Commit   string `json:"commit"`   // "" when not built from a checkout
	Time     string `json:"time"`     // of the commit, RFC 3339
	Modified bool   `json:"modified"` // the checkout had changes
	Go       string `json:"go"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
}

// readBuild reads the build of this process.
func readBuild() build {
	b := build{Version: "devel", Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	stamp, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if v := stamp.Main.Version; v != "" && v != "(devel)" {
		b.Version = v
	}
	for _, s := range stamp.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.time":
			b.Time = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

// commit describes the commit for people.
func (b build) commit() string {
	switch {
	case b.Commit == "":
		return "commit unknown"
	case b.Modified:
		return "commit " + b.Commit + " with changes"
	}
	return "commit " + b.Commit
}

func versionCommand(e *env) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version of mayfly and what it was built with",
		Example: "  mayfly version --json",
		GroupID: groupHost,
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			b := readBuild()
			if asJSON {
				return e.json(b)
			}
			_, err := fmt.Fprintf(e.stdout, "mayfly %s (%s, %s, %s/%s)\n", b.Version, b.commit(), b.Go, b.OS, b.Arch)
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, jsonUsage)
	return cmd
}
