package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mayfly-profiler/mayfly/internal/choose"
	"github.com/mayfly-profiler/mayfly/internal/source"
	"github.com/mayfly-profiler/mayfly/profiler"
)

// What an agent does when nobody says. The rates are no round numbers, against lock-step with work that timers start.
const (
	agentRate   = 97
	agentStates = 19
	agentEvery  = 15 * time.Second
)

// Slices that make sense: shorter ones are all overhead, longer ones are lost with the agent.
const (
	shortestSlice = time.Second
	longestSlice  = 10 * time.Minute
)

// agentFlags is the command line of agent.
type agentFlags struct {
	selects  []string
	rate     int
	states   int
	every    duration
	minAge   duration
	overhead percentage
	output   string
	metrics  string // address
	disk     sliceLimit
	push     pushFlags
	queue    queueLimit
	config   string // file

	given map[string][]string // what flags are set to on the command line
	fixed map[string][]string // as that, when a file is read again: what only a restart changes
	all   *pflag.FlagSet

	chosen  []choose.Expr // what the flags say
	servers []*pushFlags  // the same: one for each; none: slices are files
}

func agentCommand(e *env) *cobra.Command {
	f := agentFlags{push: pushFlags{getenv: e.getenv, byEnvironment: true}}
	cmd := &cobra.Command{
		Use:     "agent [--select EXPR] [--otlp URL] [--pyroscope URL]",
		GroupID: groupRecord,
		Short:   "Profile the Go processes of this host all the time",
		Long: `Agent records all Go processes of this host, or those that --select names, one profile of each
every --every: what is on a CPU at --rate, and where goroutines are at --states. It sends them
to servers as mayfly push does, or keeps them in a folder. It ends with Ctrl-C or SIGTERM, and
sends or keeps what it has by then.

--select is KEY=PATTERN or KEY!=PATTERN, where * stands for any text. All terms of one, which
are separated by commas, have to hold, and one --select of several. Keys are:

` + keyHelp() + `
What a container calls itself, its name and labels, is with who runs it and not with the kernel:
here it has what the process has, its control group and its environment.

Profiles wait in a folder below that of --output until a server has them, with more than
--queue-limit for one server the oldest are dropped, and counted. Labels leave as mayfly push
has it. Without a server, OTEL_EXPORTER_OTLP_ENDPOINT is one; without that, profiles are files
slice-TIME-PID.pb.gz in the folder, for their owner only, of which --disk-limit bounds the number
or size.

Each flag can be given as a variable, --disk-limit as MAYFLY_AGENT_DISK_LIMIT, and in the file of
--config, as disk-limit: 2GiB. The command line goes before variables, and these before the file,
which SIGHUP has read again.

--metrics serves what the agent says of itself: /metrics for Prometheus, /healthz, and /readyz,
which is an error while profiles do not get to where they are to go. POST /record?pid=PID&seconds=30
there answers with a profile of 999 Hz, for root, the agent's user and that of the process.

Where no process is recorded, nothing is open in the kernel but a perf event on each CPU that says
when a program is executed.`,
		Example: `  sudo mayfly agent --otlp http://localhost:4318
  sudo mayfly agent --pyroscope http://localhost:4040 --select 'name=etcd' --select 'user=caddy'
  sudo mayfly agent --select 'namespace=shop,env:TIER!=batch' --otlp https://collector:4318
  mayfly agent -o profiles --disk-limit 2GiB --states 0`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f.all, f.given = cmd.Flags(), setTexts(cmd.Flags())
			if err := f.complete(e); err != nil {
				return err
			}
			return runAgent(cmd.Context(), e, &f)
		},
	}
	f.define(cmd.Flags())
	return cmd
}

// keyHelp is the list of keys of --select.
func keyHelp() string {
	var b strings.Builder
	keys := make([]string, 0, len(choose.Keys))
	for key := range choose.Keys {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		shown := key
		if strings.HasSuffix(key, ":") {
			shown += "NAME"
		}
		b.WriteString("  " + pad(shown, 15) + choose.Keys[key] + "\n")
	}
	return b.String()
}

func (f *agentFlags) define(fl *pflag.FlagSet) {
	fl.StringArrayVar(&f.selects, "select", nil, "`expression` that says which processes: name=etcd, or user=caddy,container!=*; "+
		"may be repeated (default all)")
	fl.IntVarP(&f.rate, "rate", "F", agentRate, "samples per second of CPU time, in `Hz`")
	fl.IntVar(&f.states, "states", agentStates, "scans of all goroutines per second, in `Hz`; 0: only what is on a CPU")
	f.every, f.minAge = duration(agentEvery), duration(time.Second)
	fl.Var(&f.every, "every", "length of a profile")
	fl.Var(&f.minAge, "min-age", "how old a process has to be: to begin to record one costs more than is learnt of a short life")
	defineOverhead(fl, &f.overhead)
	fl.StringVarP(&f.output, "output", "o", "mayfly-agent", "`folder` for what waits for servers, or for profiles")
	f.disk = sliceLimit{diskLimit{bytes: 1 << 30}}
	fl.Var(&f.disk, "disk-limit", "how much to keep in the folder without a server: a number of profiles, or as 500MiB")
	fl.StringVar(&f.metrics, "metrics", "", "`address` to serve /metrics, /healthz and /readyz at: :9464 is 127.0.0.1:9464")
	f.push.timeout = duration(hookPatience)
	f.push.define(fl)
	f.queue = queueLimit{diskLimit: diskLimit{bytes: 64 << 20}}
	fl.Var(&f.queue, "queue-limit", "how much waits on disk for a server that is away: a number of profiles, or as 64MiB")
	fl.StringVar(&f.config, "config", "", "`file` of settings, in YAML: flags by name")
	remember(fl)
}

// check finds what is wrong with the command line, and reads what it says.
func (f *agentFlags) check() error {
	switch {
	case source.CheckRate(f.rate) != nil:
		return usagef("agent: --rate: %w", source.CheckRate(f.rate))
	case f.states != 0 && source.CheckRate(f.states) != nil:
		return usagef("agent: --states: %w", source.CheckRate(f.states))
	case time.Duration(f.every) < shortestSlice || time.Duration(f.every) > longestSlice:
		return usagef("agent: --every %s: between %s and %s", &f.every, shortestSlice, longestSlice)
	case f.queue.off:
		return usagef("agent: --queue-limit 0: all that is sent goes through the queue")
	}
	for _, text := range f.selects {
		e, err := choose.Parse(text)
		if err != nil {
			return usagef("agent: --select %w", err)
		}
		f.chosen = append(f.chosen, e)
	}
	return f.checkServers()
}

func (f *agentFlags) checkServers() error {
	f.servers = f.push.apart()
	switch {
	case len(f.servers) > 1 && len(f.push.headers) > 0:
		return usagef("agent: --header is for one server: with --otlp and --pyroscope, start an agent for each, or give OTLP's as " +
			"OTEL_EXPORTER_OTLP_HEADERS")
	case len(f.servers) == 0:
		if err := f.push.check("agent"); err != nil || f.push.server == nil {
			return err
		}
		f.servers = []*pushFlags{&f.push} // of the environment
	}
	for _, s := range f.servers {
		if err := s.check("agent"); err != nil {
			return err
		}
	}
	return nil
}

// options are those of the stream of one process.
func (f *agentFlags) options() profiler.StreamOptions {
	o := profiler.StreamOptions{Every: time.Duration(f.every)}
	o.Mode, o.Rate, o.Scans, o.MemoryLimit, o.Version = profiler.Wall, f.rate, f.states, agentMemory, readBuild().Version
	if f.states == 0 {
		o.Mode = profiler.CPU
	}
	return o
}

// sliceLimit is a flag: how many profiles a folder may hold, as a number or in bytes.
type sliceLimit struct{ diskLimit }

// Set parses s.
func (l *sliceLimit) Set(s string) error {
	if l.diskLimit.Set(s) != nil {
		return fmt.Errorf("%q is neither a number of profiles nor a size as 500MiB or 2GiB", s)
	}
	return nil
}

// ofSlice is the name of a file that an agent without a server writes.
var ofSlice = regexp.MustCompile(`^(slice-\d{8}T\d{6}\.\d{3}Z-\d+)\.pb\.gz$`)
