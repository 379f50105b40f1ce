package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/client-go/tools/clientcmd"
)

// verb is a command of the plugin.
type verb struct {
	name, short, example string
	length               time.Duration // default of --duration; 0: there is no such flag
	output               string        // the same of --output
}

var verbs = []verb{
	{"record", "Record a Go process of a pod into a pprof file", "record web-0 -d 30s -o before.pb.gz -- --timeline", 10 * time.Second,
		"mayfly.pb.gz"},
	{"report", "Name the cause of slow requests in a pod", "report web-0 -d 30s -- --slo 'p99<800ms'", 30 * time.Second, ""},
	{"top", "Show where the goroutines of a pod spend their time", "top web-0 -d 1m -- --by label:endpoint", 10 * time.Minute, ""},
	{"dump", "Print all goroutines of a pod's process, without stopping it", "dump web-0 -- --state 'IO wait'", 0, ""},
}

// run executes one command line.
func run(ctx context.Context, e *env, args []string) error {
	ran := false
	root := rootCommand(e, &ran)
	root.SetArgs(args)
	if err := root.ExecuteContext(ctx); ran || err == nil {
		return err
	} else { // what is wrong is the command line
		return usagef("%s (see kubectl mayfly --help)", oneLine(err.Error()))
	}
}

func rootCommand(e *env, ran *bool) *cobra.Command {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	overrides := new(clientcmd.ConfigOverrides)
	root := &cobra.Command{
		Use:   "kubectl-mayfly",
		Short: "Profile a Go process in a pod",
		Long: `Kubectl mayfly runs mayfly in a pod and brings what it finds here. It adds a container to the pod
(an ephemeral one, with the capabilities BPF, PERFMON, SYS_PTRACE and SYSLOG and nothing else of
the host), which ends when the recording does; Kubernetes keeps its entry in the pod's status.
Nothing is restarted, and what is recorded is neither stopped nor changed.

What is behind -- is for mayfly's own command: mayfly record --help and so on. Exit codes are
mayfly's, too.`,
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl mayfly"},
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetOut(e.stdout)
	root.SetErr(e.stderr)
	fl := root.PersistentFlags()
	fl.StringVar(&rules.ExplicitPath, "kubeconfig", "", "path of the kubeconfig `file`")
	clientcmd.BindOverrideFlags(overrides, fl, clientcmd.RecommendedConfigOverrideFlags(""))
	for _, v := range verbs {
		root.AddCommand(v.command(e, ran, clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, overrides)))
	}
	return root
}

func (v verb) command(e *env, ran *bool, config clientcmd.ClientConfig) *cobra.Command {
	r := &request{command: v.name}
	cmd := &cobra.Command{
		Use:     v.name + " POD [-- FLAG...]",
		Short:   v.short,
		Example: "  kubectl mayfly " + v.example,
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			*ran = true
			if err := r.check(e, args, cmd.ArgsLenAtDash()); err != nil {
				return err
			}
			c, err := connect(config, e)
			if err != nil {
				return err
			}
			return r.do(cmd.Context(), e, c)
		},
	}
	r.define(cmd.Flags(), v)
	return cmd
}

func (r *request) define(fl *pflag.FlagSet, v verb) {
	fl.StringVarP(&r.container, "container", "c", "",
		"`container` of the pod whose process is meant (default the only one, or the pod's default)")
	fl.StringVar(&r.image, "image", "", "`image` with mayfly in it (default $"+imageVariable+")")
	fl.Var(&r.runAs, "run-as", "`UID[:GID]` of the process: be that user and have no capabilities, which Pod Security restricted admits")
	fl.StringArrayVar(&r.selects, "select", nil,
		"which Go process of the container: an `expression` of mayfly agent --select, such as name=server")
	fl.IntVar(&r.pid, "pid", 0, "the same by its `PID` in the container")
	fl.DurationVar(&r.wait, "pod-running-timeout", time.Minute, "how long to wait until the container with mayfly runs")
	if v.length > 0 {
		fl.DurationVarP(&r.length, "duration", "d", v.length, "how long to record")
	}
	if v.output != "" {
		fl.StringVarP(&r.output, "output", "o", v.output, "`file` to write, - for stdout")
	}
}
