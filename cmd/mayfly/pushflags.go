package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/mayfly-profiler/mayfly/internal/push"
	"github.com/mayfly-profiler/mayfly/internal/relabel"
	"github.com/mayfly-profiler/mayfly/internal/resource"
)

// pushFlags say where profiles are sent to, and which of their labels. They mean the same on each command that has them.
type pushFlags struct {
	getenv        func(string) string // of the headers; nil: none is read
	byEnvironment bool                // the server, too, if no flag names one

	otlp, pyroscope string // URLs
	headers         []string
	service         string
	timeout         duration
	values          []string // [KEY=]N
	salt            string   // file
	rules           relabel.Rules

	server *push.Server // what the flags say; nil: nothing is sent
}

func (f *pushFlags) define(fl *pflag.FlagSet) {
	fl.StringVar(&f.otlp, "otlp", "", "`URL` of a server to send profiles to by OTLP: over HTTP, such as http://localhost:4318, where "+
		"without a path it is /v1development/profiles, or by gRPC, as grpc://localhost:4317 or grpcs://HOST")
	fl.StringVar(&f.pyroscope, "pyroscope", "", "`URL` of a Pyroscope server to send profiles to, such as http://localhost:4040")
	fl.StringArrayVar(&f.headers, "header", nil, "`KEY=VALUE` of a header for that server; may be repeated, is never printed")
	f.rules = relabel.Default()
	fl.StringSliceVar(&f.rules.Allow, "label-allow", nil, "`keys` of labels that may leave, and no others (default all)")
	fl.StringSliceVar(&f.rules.Deny, "label-deny", nil, "`keys` of labels that do not leave")
	fl.StringSliceVar(&f.rules.Hash, "label-hash", nil, "`keys` of labels whose values leave as hashes")
	fl.StringVar(&f.salt, "label-salt", "", "`file` whose content is put before what is hashed: without, who can guess a value can check it")
	fl.IntVar(&f.rules.Truncate, "label-truncate", f.rules.Truncate, "length of a label's value, in `bytes`; 0: any")
	fl.StringSliceVar(&f.values, "label-values", nil, "how many values a label may have, `N` for all keys or KEY=N for one; 0: any number "+
		fmt.Sprintf("(default %d)", relabel.DefaultValues))
}

// defineService is for profiles of one service.
func (f *pushFlags) defineService(fl *pflag.FlagSet) {
	fl.StringVar(&f.service, "service", "", "`name` of the service (default as its environment has it, else its executable's)")
}

// check finds what is wrong with the flags, and settles where to send to.
func (f *pushFlags) check(command string) error {
	if err := f.checkServer(); err != nil {
		return usagef("%s: %w", command, err)
	}
	if f.server == nil && (f.service != "" || len(f.headers) > 0) {
		return usagef("%s: --service and --header are for a server: --otlp URL or --pyroscope URL", command)
	}
	if err := f.checkRules(); err != nil {
		return usagef("%s: %w", command, err)
	}
	return f.readSalt()
}

func (f *pushFlags) checkServer() (err error) {
	s := &push.Server{Timeout: time.Duration(f.timeout), UserAgent: "mayfly/" + readBuild().Version}
	switch {
	case f.otlp != "" && f.pyroscope != "":
		return errors.New("either --otlp or --pyroscope, not both")
	case f.pyroscope != "":
		s.Protocol = push.Pyroscope
		if s.URL, err = s.Protocol.Endpoint(f.pyroscope); err != nil {
			return fmt.Errorf("--pyroscope: %w", err) // without what may be a secret
		}
	case f.otlp != "":
		s.Protocol = push.OTLP
		if s.URL, err = s.Protocol.Endpoint(f.otlp); err != nil {
			return fmt.Errorf("--otlp: %w", err)
		}
	default:
		if s.URL, err = f.fromEnvironment(); s.URL == nil {
			return err
		}
		s.Protocol = push.OTLP
	}
	if s.Header, err = push.Header(f.allHeaders(s.Protocol)); err != nil {
		return fmt.Errorf("--header: %w", err)
	}
	s.Transport = outward()
	if s.ByGRPC() {
		s.Transport = outwardHTTP2()
	}
	f.server = s
	return nil
}

// apart are flags for each of the servers that are named.
func (f pushFlags) apart() (list []*pushFlags) {
	otlp, pyroscope := f, f
	otlp.pyroscope, pyroscope.otlp = "", ""
	if f.otlp != "" {
		list = append(list, &otlp)
	}
	if f.pyroscope != "" {
		list = append(list, &pyroscope)
	}
	return list
}

// fromEnvironment is where OTEL_EXPORTER_OTLP_ENDPOINT has all signals sent to, for a command that goes by it; nil without.
func (f *pushFlags) fromEnvironment() (*url.URL, error) {
	const name = "OTEL_EXPORTER_OTLP_ENDPOINT"
	if !f.byEnvironment || f.getenv(name) == "" {
		return nil, nil
	}
	u, err := push.OTLP.Base(f.getenv(name), f.getenv("OTEL_EXPORTER_OTLP_PROTOCOL"))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return u, nil
}

// allHeaders are those of the environment, which are for OTLP, and then those of the command line.
func (f *pushFlags) allHeaders(protocol push.Protocol) (all []string) {
	if f.getenv != nil && protocol == push.OTLP {
		for key, value := range resource.Parse(f.getenv("OTEL_EXPORTER_OTLP_HEADERS")) {
			all = append(all, key+"="+value)
		}
	}
	return append(all, f.headers...)
}

func (f *pushFlags) checkRules() error {
	if f.rules.Truncate < 0 {
		return fmt.Errorf("--label-truncate %d: at least 0", f.rules.Truncate)
	}
	f.rules.ValuesOf = make(map[string]int)
	for _, text := range f.values {
		at := strings.LastIndexByte(text, '=')
		n, err := strconv.ParseUint(text[at+1:], 10, 31)
		switch {
		case err != nil:
			return fmt.Errorf("--label-values %s: want N, or KEY=N", text)
		case at < 0:
			f.rules.Values = int(n)
		default:
			f.rules.ValuesOf[text[:at]] = int(n)
		}
	}
	return nil
}

// readSalt reads what is put before what is hashed. It is not on the command line, where everybody can read it.
func (f *pushFlags) readSalt() (err error) {
	if f.salt == "" {
		return nil
	}
	if f.rules.Salt, err = os.ReadFile(f.salt); err != nil {
		return fmt.Errorf("read %s: %w", f.salt, cause(err))
	}
	return nil
}

// outward is how mayfly reaches servers that the user names: by a proxy if the environment has one, and with little room for what they
// say.
func outward() *http.Transport {
	return &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, MaxResponseHeaderBytes: 16 << 10,
		ForceAttemptHTTP2: true}
}

// outwardHTTP2 is the same for gRPC. Without TLS it knows no proxy: those take HTTP/1.
func outwardHTTP2() *http.Transport {
	t := outward()
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP2(true)
	t.Protocols.SetUnencryptedHTTP2(true)
	t.Proxy = func(req *http.Request) (*url.URL, error) {
		if req.URL.Scheme == "http" {
			return nil, nil
		}
		return http.ProxyFromEnvironment(req)
	}
	return t
}
