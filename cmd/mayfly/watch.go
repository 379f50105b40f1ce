package main

import (
	"fmt"
	"net/url"
	"os/exec"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mayfly-profiler/mayfly/internal/report"
	"github.com/mayfly-profiler/mayfly/internal/source"
	"github.com/mayfly-profiler/mayfly/internal/timeline"
	"github.com/mayfly-profiler/mayfly/internal/watch"
	"github.com/mayfly-profiler/mayfly/profiler"
)

// Windows that can be judged: shorter ones have too few requests, longer ones too many samples for one file.
const (
	shortestWindow = 2 * time.Second
	longestWindow  = 10 * time.Minute
)

func watchCommand(e *env) *cobra.Command {
	f := watchFlags{recordFlags: recordFlags{mode: string(profiler.Wall), timeline: true}, push: pushFlags{getenv: e.getenv}}
	cmd := &cobra.Command{
		Use:     "watch --slo 'p99<800ms' (-p PID... | --all)",
		GroupID: groupRecord,
		Short:   "Watch an objective, and report when it is broken",
		Long: `Watch keeps the last seconds of a running process in memory and holds its requests against an
objective. When that is broken it writes, into a folder, with one time in all names:

  breach-TIME-PID.pb.gz          the recording around the breach
  breach-TIME-PID.md, .json      why the slow requests are slow, as mayfly report says it
  breach-TIME-PID.trace          the execution trace of its last seconds, if the process has one
  breach-TIME-PID-healthy.pb.gz  a recording of the last --window in which the objective was met

and prints one line. Mayfly diff compares the two recordings. Files are for their owner only;
--disk-limit bounds them, and the oldest breach is removed first.

Several processes (-p more than once), or all Go processes of the host (--all), are each held
against the objective by themselves. They share --max-overhead, the rate of samples and the
folder; --ring-limit is for each of them.

An objective is broken if the requests of --window do not meet it by more than chance: of a
thousand windows of a service that just meets it, one may be reported. With --burn 14.4x/1h/5m
it is broken if the error budget, 1 % of the requests for a p99, burns 14.4 times as fast as it
may over the last hour and over the last five minutes. What was before mayfly began counts as
healthy.

Requests are those of mayfly report: calls of the server functions of net/http, gRPC and
fasthttp, or what --request says. p99(endpoint=/fulfil)<800ms is about requests that had this
label; with p99(request)<800ms each value of the label request is one. Requests shorter than
two scans are not seen.

--metrics has latencies counted by the service's own histogram and not by scans, every two
seconds, from the /metrics of an address that the process listens at. What took longer than the
first bucket bound at the limit or above is too slow. The report is on the recording all the same.

--exec starts a command after a breach, without a shell: words are apart by spaces, and may be
quoted. It gets the breach as JSON on its stdin and as BREACH_WHY, BREACH_CAUSE, BREACH_REPORT,
BREACH_PROFILE and BREACH_HEALTHY. --webhook posts the same JSON. Neither may take longer than
30 seconds, and what fails is a warning.

--otlp and --pyroscope send the recording around the breach to a server, as mayfly push does.
What does not arrive waits in the folder queue below that of --output, and is sent in order when
the server is back; with more than --queue-limit the oldest are dropped, and counted.

Exit codes: 0 no breach, 3 at least one.`,
		Example: `  mayfly watch --slo 'p99<800ms' -p 4242
  mayfly watch --slo 'p99(endpoint=/fulfil)<800ms' -p 4242 --exec 'notify-send mayfly'
  mayfly watch --slo 'p99<800ms' --burn 14.4x/1h/5m --burn 6x/6h/30m -p 4242
  sudo mayfly watch --slo 'p99<800ms' --all --webhook http://localhost:9000/breach`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(); err != nil {
				return err
			}
			return watchProcesses(cmd.Context(), e, &f)
		},
	}
	f.define(cmd.Flags())
	cmd.RegisterFlagCompletionFunc("pid", completePID)
	return cmd
}

func (f *watchFlags) define(fl *pflag.FlagSet) {
	fl.StringVar(&f.slo, "slo", "", "`objective`: p99<800ms, p99(endpoint=/fulfil)<800ms, mean<50ms")
	f.processFlags.define(fl, "watch")
	fl.StringVar(&f.request, "request", "", "what a request is: label:KEY or func:NAME (default the server functions of net/http, gRPC "+
		"and fasthttp)")
	fl.StringArrayVar(&f.burns, "burn", nil, "`rate` at which the error budget may not burn over a long and a short window: 14.4x/1h/5m; "+
		"may be repeated")
	fl.StringVar(&f.metrics, "metrics", "", "histogram that counts the requests of the objective, a `series` of /metrics: "+
		"http_request_duration_seconds{handler=\"/fulfil\"}")
	fl.StringVar(&f.metricsURL, "metrics-url", "", "`URL` of the page with that series (default: it is looked for)")
	f.window = duration(30 * time.Second)
	fl.Var(&f.window, "window", "the last seconds that are judged, and written at a breach")
	f.ring = ringFlags{after: duration(3 * time.Second), coolDown: duration(5 * time.Minute), limit: profiler.DefaultRingLimit >> 20}
	fl.Var(&f.ring.after, "after", "write this much after the breach is known, too; the execution trace is of this time")
	fl.Var(&f.ring.coolDown, "cool-down", "report no other breach of the process for this long after one, and for the window at least")
	fl.IntVar(&f.ring.limit, "ring-limit", f.ring.limit, "memory to keep the window of a process and to write it, in `MiB`; the window is "+
		"shorter if that is not enough")
	fl.VarP(&f.duration, "duration", "d", "how long to watch; 0: until Ctrl-C or the end of all that were named")
	fl.IntVarP(&f.rate, "rate", "F", profiler.DefaultRate, rateUsage)
	f.overhead = percentage(profiler.DefaultMaxOverhead)
	fl.Var(&f.overhead, "max-overhead", overheadUsage)
	fl.StringVarP(&f.output, "output", "o", "mayfly-watch", "`folder` to write to; it is made if it is not there")
	f.disk = diskLimit{breaches: 20}
	fl.Var(&f.disk, "disk-limit", "how much to keep in the folder: a number of breaches, or as 500MiB")
	fl.StringVar(&f.exec, "exec", "", "`command` to start after a breach")
	fl.StringVar(&f.webhook, "webhook", "", "`URL` to post a breach to, as JSON")
	f.push.timeout = duration(hookPatience)
	f.push.define(fl)
	f.push.defineService(fl)
	f.queue = queueLimit{diskLimit: diskLimit{bytes: 64 << 20}}
	fl.Var(&f.queue, "queue-limit", "how much to keep on disk for a server that is away: a number of recordings, or as 64MiB; 0: nothing")
	fl.BoolVar(&f.noTrace, "no-trace", false, "do not ask the process for its execution trace")
	fl.BoolVar(&f.json, "json", false, "print each breach as one line of JSON")
}

// check finds what is wrong with the command line, and reads what it says.
func (f *watchFlags) check() (err error) {
	window, after := time.Duration(f.window), time.Duration(f.ring.after)
	switch {
	case f.slo == "":
		return usagef("watch: need an objective, such as --slo 'p99<800ms'")
	case f.processFlags.check("watch") != nil:
		return f.processFlags.check("watch")
	case source.CheckRate(f.rate) != nil:
		return usagef("watch: %w", source.CheckRate(f.rate))
	case window < shortestWindow || window > longestWindow:
		return usagef("watch: --window %s: between %s and %s", &f.window, shortestWindow, longestWindow)
	case after > longestWindow:
		return usagef("watch: --after %s: at most %s", &f.ring.after, longestWindow)
	case f.ring.limit < 1:
		return usagef("watch: --ring-limit %d: at least 1 MiB", f.ring.limit)
	}
	f.ring.before = f.window
	f.objective.Window = window
	if f.objective.SLO, err = report.ParseSLO(f.slo); err != nil {
		return usagef("%w", err)
	}
	if f.objective.Request, err = timeline.ParseSelector(f.request); err != nil {
		return usagef("%w", err)
	}
	if f.hook, err = hookOf(f.exec); err != nil {
		return usagef("watch: --exec %w", err)
	}
	return f.checkMore()
}

// hookOf is a command line whose command is there: nobody wants to learn at the first breach that it is not.
func hookOf(line string) ([]string, error) {
	list, err := words(line)
	if err == nil && len(list) > 0 {
		_, err = exec.LookPath(list[0])
	}
	return list, err
}

// checkMore finds what does not go together.
func (f *watchFlags) checkMore() error {
	switch by := f.objective.Request.By; {
	case by != "" && by != timeline.Label && by != timeline.Func:
		return usagef("watch: --request %s: label:KEY or func:NAME", f.request)
	case by != "" && f.objective.SLO.Request() != (timeline.Selector{}):
		return usagef("watch: --request %s and %s both say what a request is: one of the two", f.request, f.slo)
	case len(f.burns) > 0 && f.objective.SLO.Quantile == 0:
		return usagef("watch: --burn needs an objective with a budget, such as p99<800ms: a mean has none")
	}
	if err := f.checkMetrics(); err != nil {
		return err
	}
	for _, text := range f.burns {
		b, err := watch.ParseBurn(text)
		if err != nil {
			return usagef("watch: %w", err)
		}
		f.objective.Burns = append(f.objective.Burns, b)
	}
	if f.webhook != "" && !isHTTP(f.webhook) {
		return usagef("watch: --webhook: want http://HOST/PATH or https://HOST/PATH") // without what may be a secret
	}
	return f.push.check("watch")
}

func (f *watchFlags) checkMetrics() (err error) {
	switch {
	case f.metrics == "" && f.metricsURL != "":
		return usagef("watch: --metrics-url needs --metrics SERIES")
	case f.metricsURL != "" && f.several():
		return usagef("watch: --metrics-url is the page of one process: without it the page of each is looked for")
	case f.metrics == "":
		return nil
	case f.objective.SLO.Quantile == 0:
		return usagef("watch: --metrics needs an objective about a quantile, such as p99<800ms")
	case f.metricsURL != "" && !isHTTP(f.metricsURL):
		return usagef("watch: --metrics-url: want http://HOST/PATH or https://HOST/PATH")
	}
	if f.series, err = watch.ParseSeries(f.metrics); err != nil {
		return usagef("watch: %w", err)
	}
	return nil
}

func isHTTP(address string) bool {
	u, err := url.Parse(address)
	return err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https")
}

// words splits a command line as the go command does with its -exec: at spaces outside of quotes, which begin with a word and have
// no escapes in them (cmd/internal/quoted).
func words(line string) (list []string, err error) {
	for line = strings.TrimLeft(line, " \t\n\r"); line != ""; line = strings.TrimLeft(line, " \t\n\r") {
		if quote := line[0]; quote == '"' || quote == '\'' {
			word, rest, ok := strings.Cut(line[1:], string(quote))
			if !ok {
				return nil, fmt.Errorf("%.40q: a quote that does not end", line)
			}
			list, line = append(list, word), rest
			continue
		}
		end := strings.IndexAny(line, " \t\n\r")
		if end < 0 {
			end = len(line)
		}
		list, line = append(list, line[:end]), line[end:]
	}
	if len(list) > 0 && list[0] == "" {
		return nil, fmt.Errorf("%q: no command", line)
	}
	return list, nil
}
