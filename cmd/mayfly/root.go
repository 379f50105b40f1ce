package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mayfly-profiler/mayfly/internal/proc"
)

// commands makes the commands of mayfly, one file each.
var commands = []func(*env) *cobra.Command{
	recordCommand,
	heldCommand,
	demoCommand,
	roleCommand,
	topCommand,
	watchCommand,
	agentCommand,
	dumpCommand,
	costCommand,
	reportCommand,
	viewCommand,
	compareCommand,
	diffCommand,
	benchCommand,
	pushCommand,
	listCommand,
	doctorCommand,
	versionCommand,
}

// run executes one command line. It prints everything but the error that it returns, which
// exitCode and message turn into the end of the process.
func run(ctx context.Context, e *env, args []string) error {
	e.printable()
	ran := false
	root := rootCommand(e)
	wrap(root, func(cmd *cobra.Command) {
		ran = true
		if cmd.ArgsLenAtDash() < 0 { // a command that we start would inherit it
			expendable()
		}
		if e.abrupt != nil && onlyReads(cmd) {
			e.abrupt()
		}
	})
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil || ran {
		return withRemedy(cmd, err)
	}
	// No command has begun, so the words on the command line are to blame.
	return usagef("%s%s (see %s --help)", oneLine(inWords(err)), suggestion(root, cmd, args), cmd.CommandPath())
}

func rootCommand(e *env) *cobra.Command {
	root := &cobra.Command{
		Use:   "mayfly",
		Short: "A profiler for Go services that miss their latency target",
		Long: `Mayfly samples the goroutines of a running Go process, on and off the CPU, at 1 kHz. It works
from outside: the program is not changed, stopped or signalled. Each sample has the
goroutine's state and its pprof labels. The result is one file for go tool pprof.

Exit codes: 0 fine, no regression, SLO met; 1 the tool failed; 2 wrong usage;
3 regression found or SLO broken; 4 undecided; 5 inputs not comparable.`,
		Version:                    readBuild().Version,
		SilenceErrors:              true,
		SilenceUsage:               true,
		DisableSuggestions:         true, // as a second line of the error; see suggestion
		SuggestionsMinimumDistance: 2,
	}
	root.SetIn(e.stdin)
	root.SetOut(e.stdout)
	root.SetErr(e.stderr)
	root.SetVersionTemplate("mayfly {{.Version}}\n")
	root.PersistentFlags().BoolVarP(&e.quiet, "quiet", "q", false, "print errors only: no progress and no remarks")
	root.PersistentFlags().BoolVarP(&e.verbose, "verbose", "v", false, "print more about what is done, on stderr")
	root.MarkFlagsMutuallyExclusive("quiet", "verbose")
	root.SetHelpCommandGroupID(groupHost)
	root.SetCompletionCommandGroupID(groupHost)
	for _, command := range commands {
		root.AddCommand(command(e))
	}
	root.AddCommand(remoteCommand(e)) // which runs one of those
	addGroups(root)
	shells(root)
	return root
}

// addGroups adds the groups that have a command.
func addGroups(root *cobra.Command) {
	for _, g := range []cobra.Group{
		{ID: groupRecord, Title: "Observe a process:"},
		{ID: groupRead, Title: "Read profiles:"},
		{ID: groupHost, Title: "This host and this tool:"},
	} {
		if slices.ContainsFunc(root.Commands(), func(c *cobra.Command) bool { return c.GroupID == g.ID }) {
			root.AddGroup(&g)
		}
	}
}

// shells makes "mayfly completion SHELL" refuse a shell that it does not know, which cobra's
// command answers with its help and exit code 0.
func shells(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() == "completion" {
			c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
		}
	}
}

// onlyReads says whether a command has nothing to bring to an end when it is interrupted: it records nothing.
func onlyReads(cmd *cobra.Command) bool {
	pid := cmd.Flags().Lookup("pid")
	records := pid != nil && pid.Changed || cmd.ArgsLenAtDash() >= 0
	return cmd.GroupID == groupHost || cmd.GroupID == groupRead && !records
}

// wrap has began called when a command starts to run, after its flags and arguments were found
// to be right.
func wrap(cmd *cobra.Command, began func(*cobra.Command)) {
	if inner := cmd.RunE; inner != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			began(cmd)
			return inner(cmd, args)
		}
	}
	for _, sub := range cmd.Commands() {
		wrap(sub, began)
	}
}

// withRemedy adds to an error of rights over a process what the command could be run as. The doctor says that itself.
func withRemedy(cmd *cobra.Command, err error) error {
	var denied *proc.AccessError
	if !errors.As(err, &denied) || cmd.GroupID == groupHost {
		return err
	}
	return fmt.Errorf("%w: %s; mayfly doctor %d says more", err, deniedRemedy(cmd.Name()), denied.PID)
}

// inWords is what is wrong with the command line, without the function that found out.
func inWords(err error) string {
	var number *strconv.NumError
	if !errors.As(err, &number) {
		return err.Error()
	}
	words := map[error]string{strconv.ErrSyntax: "not a number", strconv.ErrRange: "out of range"}[number.Err]
	return strings.Replace(err.Error(), number.Error(), cmp.Or(words, number.Err.Error()), 1)
}

// suggestion names the commands that a mistyped one was perhaps meant to be, and the flag that a process belongs to.
func suggestion(root, cmd *cobra.Command, args []string) string {
	if cmd != root {
		if arg := cmd.Flags().Arg(0); cmd.Flags().Lookup("pid") != nil && isPID(arg) {
			return fmt.Sprintf(", did you mean -p %s?", arg)
		}
		return ""
	}
	for _, arg := range args {
		if strings.HasPrefix(arg, "-") {
			continue
		}
		if near := root.SuggestionsFor(arg); len(near) > 0 {
			return fmt.Sprintf(", did you mean %s?", strings.Join(near, " or "))
		}
		break
	}
	return ""
}
