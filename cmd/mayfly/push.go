package main

import (
	"context"
	"fmt"
	"time"

	"github.com/google/pprof/profile"
	"github.com/spf13/cobra"

	"github.com/mayfly-profiler/mayfly/export"
	"github.com/mayfly-profiler/mayfly/internal/push"
	"github.com/mayfly-profiler/mayfly/internal/relabel"
)

func pushCommand(e *env) *cobra.Command {
	f := pushFlags{getenv: e.getenv, byEnvironment: true, timeout: duration(time.Minute)}
	asJSON := false
	cmd := &cobra.Command{
		Use:     "push FILE... (--otlp URL | --pyroscope URL)",
		GroupID: groupRead,
		Short:   "Send profiles to a server that keeps them",
		Long: `Push sends pprof files to a server: by OTLP, as OpenTelemetry's Collector takes it, over HTTP or
by gRPC, or to Pyroscope. It connects to that URL and to no other, and follows no redirect. Where
the server cannot be reached or is busy, it tries again until --timeout.

What is sent by OTLP is ` + export.OTLPSchema + `
(development version 1 of the profiles signal); a server of another version may refuse it.

Labels that tell single requests, goroutines or moments apart stay here: of a key with more than
100 values the heaviest 100 leave and the others are (other), or all are where those 100 have
less than half of the time. What did not leave is said. --label-allow, --label-deny,
--label-hash, --label-truncate and --label-values say more or less. A timeline arrives as a
profile, unless --timeline sends its intervals.

Without a URL, OTEL_EXPORTER_OTLP_ENDPOINT is the base of one, by gRPC if
OTEL_EXPORTER_OTLP_PROTOCOL is grpc, and OTEL_EXPORTER_OTLP_HEADERS has headers for OTLP.
Headers are never printed. The service is named by --service, else as the environment of the
recorded process had it (OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES), else by its executable.`,
		Example: `  mayfly push mayfly.pb.gz --otlp http://localhost:4318
  mayfly push mayfly.pb.gz --otlp grpc://localhost:4317
  mayfly push mayfly.pb.gz --pyroscope http://localhost:4040 --service checkout
  mayfly push *.pb.gz --otlp https://collector:4318 --header "Authorization=Bearer $TOKEN"
  mayfly push mayfly.pb.gz --otlp http://localhost:4318 --label-deny user --label-values endpoint=500`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check("push"); err != nil {
				return err
			}
			if f.server == nil {
				return usagef("push: where to? --otlp URL, --pyroscope URL, or OTEL_EXPORTER_OTLP_ENDPOINT in the environment")
			}
			return pushFiles(cmd.Context(), e, &f, pushing{files: args, json: asJSON})
		},
	}
	f.define(cmd.Flags())
	f.defineService(cmd.Flags())
	cmd.Flags().Var(&f.timeout, "timeout", "for how long to try, for each request: a file is one unless it is large")
	cmd.Flags().BoolVar(&f.rules.Timeline, "timeline", false, "send each interval of each goroutine of a timeline, which are many")
	cmd.Flags().BoolVar(&asJSON, "json", false, jsonUsage)
	return cmd
}

// pushing is what is pushed, and how that is said.
type pushing struct {
	files []string
	json  bool
}

// pushReport is what --json prints.
type pushReport struct {
	Server   string        `json:"server"`
	Protocol push.Protocol `json:"protocol"`
	Files    []*outgoing   `json:"files"`
}

// outgoing is a profile on its way, and what became of it.
type outgoing struct {
	File     string            `json:"file"`
	Service  string            `json:"service"`
	Samples  int               `json:"samples"`
	Bytes    int               `json:"bytes"` // compressed
	Requests int               `json:"requests"`
	Refused  []relabel.Refusal `json:"labels_refused"`
	Tries    int               `json:"tries"`
	Rejected int64             `json:"rejected"` // of the profiles that it is, by the server
	Message  string            `json:"message"`  // of the server

	encoded *push.Profile
}

// pushFiles sends files, one after the other. With the first that fails it ends: the next would wait as long.
func pushFiles(ctx context.Context, e *env, f *pushFlags, what pushing) error {
	report := pushReport{Server: f.server.Where(), Protocol: f.server.Protocol, Files: []*outgoing{}}
	for _, file := range what.files {
		p, err := readProfile(file)
		if err != nil {
			return err
		}
		o, err := f.prepare(file, p)
		if err != nil {
			return err
		}
		o.tell(e)
		if err := o.send(ctx, e, f.server); err != nil {
			return fmt.Errorf("push %s: %w", file, err)
		}
		report.Files = append(report.Files, o)
	}
	if what.json {
		return e.json(report)
	}
	return nil
}

// prepare makes of a profile what leaves.
func (f *pushFlags) prepare(file string, p *profile.Profile) (*outgoing, error) {
	p, refused := f.rules.Apply(p)
	encoded, err := f.server.Encode(p, f.service)
	if err != nil {
		return nil, fmt.Errorf("push %s: %w", file, err)
	}
	o := outgoingOf(file, encoded)
	o.Refused = refused
	return o, nil
}

func outgoingOf(file string, p *push.Profile) *outgoing {
	return &outgoing{File: file, Service: p.Service, Samples: p.Samples, Bytes: p.Size, Requests: p.Requests(), encoded: p}
}

// mostKeys is how many keys are said one by one.
const mostKeys = 10

// tell says which labels stay here.
func (o *outgoing) tell(e *env) {
	for i, r := range o.Refused {
		if i == mostKeys {
			e.say("%s: and so on, for %d more; --json has all", o.File, len(o.Refused)-i)
			return
		}
		e.say("%s: %s", o.File, r)
	}
}

// send sends it, and says what the server says. What that did not take is an error.
func (o *outgoing) send(ctx context.Context, e *env, to *push.Server) error {
	r, err := to.Send(ctx, o.encoded)
	o.Tries, o.Rejected, o.Message = r.Tries, r.Rejected, r.Message
	switch {
	case err != nil:
		return err
	case r.Rejected > 0:
		return fmt.Errorf("%s: it did not take %d of the %d sample types%s: %s", to.Where(), r.Rejected, o.encoded.Types*o.Requests, o.in(),
			r.Message)
	case r.Message != "":
		e.warn("%s: %s says: %s", o.File, to.Where(), r.Message)
	}
	e.say("%s: %d samples of %s, %s%s, are at %s", o.File, o.Samples, o.Service, size(o.Bytes), o.in(), to.Where())
	return nil
}

// in says of how many requests something is, if that is more than one.
func (o *outgoing) in() string {
	if o.Requests < 2 {
		return ""
	}
	return fmt.Sprintf(" in %d requests", o.Requests)
}

func size(bytes int) string {
	switch {
	case bytes < 10<<10:
		return fmt.Sprintf("%d bytes", bytes)
	case bytes >= 10<<20:
		return fmt.Sprintf("%d MiB", bytes>>20)
	}
	return fmt.Sprintf("%d KiB", bytes>>10)
}
