package main

import (
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mayfly-profiler/mayfly/profiler"
)

func topCommand(e *env) *cobra.Command {
	f := topFlags{every: duration(time.Second)}
	cmd := &cobra.Command{
		Use:     "top (-p PID... | --all)",
		GroupID: groupRecord,
		Short:   "Show live where the goroutines of processes spend their time",
		Long: `Top records a running Go process and shows, once a second, where its goroutines spend their
time: on a CPU, waiting for a CPU (runnable), or waiting for something else (blocked), and for
what. Each row is the value of a label, a function or a state. Times add up: three goroutines
that wait all the time are blocked for 3s in one second.

Of several processes (-p more than once) or all Go processes of the host (--all) each is a row,
which Enter unfolds. They share the budget of --max-overhead and the rate of samples, and are
scanned less often for that. Of some ten processes and more, what each takes beside scans is
more than the budget. Top shows what it takes, and how often it scans.

The function of a row is the innermost one outside the runtime, sync, syscall, time, reflect
and internal packages. With --plain, --once or --json, and when the output is no terminal,
each interval is printed as it ends. Press ? for the keys.`,
		Example: "  mayfly top -p 4242\n  sudo mayfly top --all\n  mayfly top -p 4242 --by label:endpoint --plain >> top.log\n" +
			"  mayfly top -p 4242 -p 4243 --once --json",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			by, err := f.check()
			if err != nil {
				return err
			}
			if !f.live(e) {
				return printTop(cmd.Context(), e, &f, by)
			}
			return watchTop(cmd.Context(), e, &f, by)
		},
	}
	fl := cmd.Flags()
	f.processFlags.define(fl, "record")
	fl.IntVarP(&f.rate, "rate", "F", profiler.DefaultRate, rateUsage)
	fl.StringVar(&f.by, "by", "", "what a row is: label:KEY, func or state (default the label that covers most time)")
	fl.StringVar(&f.order, "sort", "", "`order` of the rows: "+orderNames()+" (default wall, of several processes cpu)")
	fl.Var(&f.every, "every", "length of an interval")
	defineOverhead(fl, &f.overhead)
	fl.IntVarP(&f.rows, "rows", "n", -1, rowsUsage())
	fl.Lookup("rows").DefValue = "" // it depends
	fl.BoolVar(&f.exact, "exact-cpu", false, exactUsage)
	fl.StringSliceVarP(&f.events, "event", "e", nil, eventsUsage)
	fl.BoolVar(&f.once, "once", false, "print one interval and end")
	fl.BoolVar(&f.plain, "plain", false, "print text, also on a terminal")
	fl.BoolVar(&f.json, "json", false, "print the result as JSON, one line an interval of each process")
	cmd.RegisterFlagCompletionFunc("pid", completePID)
	cmd.RegisterFlagCompletionFunc("event", cobra.FixedCompletions(profiler.EventNames(), cobra.ShellCompDirectiveNoFileComp))
	cmd.RegisterFlagCompletionFunc("sort", cobra.FixedCompletions(strings.Split(orderNames(), ", "), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}
