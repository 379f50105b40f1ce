//go:build man

package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// Man pages are made by a build of their own (make man): what writes them is no part of the command.
func init() { commands = append(commands, manCommand) }

func manCommand(e *env) *cobra.Command {
	return &cobra.Command{
		Use:    "man FOLDER",
		Short:  "Write the man pages of all commands to a folder",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return fmt.Errorf("write man pages: %w", err)
			}
			root := cmd.Root()
			root.DisableAutoGenTag = true // pages of the same version are the same
			head := &doc.GenManHeader{Section: "1", Source: "mayfly " + readBuild().Version, Manual: "mayfly"}
			return doc.GenManTree(root, head, args[0])
		},
	}
}
