package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/baseline"
	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/profiler"
)

// defaultNone is the value of --default that asks nobody.
const defaultNone = "none"

// pprofServer is where a process serves its default profile.
type pprofServer struct {
	url    string
	client *http.Client
	given  bool // on the command line: it has to work
}

// take records, and takes the default profile of the same seconds where there is one.
func (f *compareFlags) take(ctx context.Context, e *env) (defaultProfile, mayfly *profile.Profile, err error) {
	var rec *profiler.Recording
	if len(f.record.command) > 0 {
		defaultProfile, rec, err = f.takeCommand(ctx, e)
	} else {
		src, lerr := f.locate(ctx, f.record.pid)
		if lerr != nil {
			e.say("%s", lerr)
		}
		defaultProfile, rec, err = f.both(ctx, e, f.record.pid, src)
	}
	if err != nil {
		return nil, nil, err
	}
	for _, what := range rec.Summary.Denied {
		e.warn("missing: %s", what)
	}
	return defaultProfile, rec.Profile, f.save(e, defaultProfile, rec.Profile)
}

// takeCommand records a command from its first instruction. Once it is seen to serve its default
// profile, the recording starts again, together with that: both have to be of the same seconds.
func (f *compareFlags) takeCommand(ctx context.Context, e *env) (*profile.Profile, *profiler.Recording, error) {
	first, cancel := context.WithCancel(ctx)
	defer cancel()
	found := make(chan *pprofServer, 1)
	f.record.started = func(pid int) {
		go func() {
			if src := f.await(first, pid); src != nil {
				found <- src
				cancel()
			}
		}()
	}
	f.record.output = f.result.output // what the command prints is not to get into it
	child, rec, err := recordHeld(first, e, &f.record, childStdout(f.result.output == "-"))
	if err != nil {
		return nil, nil, err
	}
	defer child.end()
	select {
	case src := <-found:
		return f.both(ctx, e, child.cmd.Process.Pid, src)
	default:
		if f.defaultURL != "" && f.defaultURL != defaultNone {
			return nil, nil, fmt.Errorf("default profile: nothing listens at %s", f.defaultURL)
		}
		return nil, rec, nil
	}
}

// both records a process and takes its default profile meanwhile. Where that fails and nobody insists
// on it, there is none.
func (f *compareFlags) both(ctx context.Context, e *env, pid int, src *pprofServer) (*profile.Profile, *profiler.Recording, error) {
	type fetched struct {
		p   *profile.Profile
		err error
	}
	done := make(chan fetched, 1)
	fetching, cancel := context.WithCancel(ctx)
	defer cancel()
	f.record.started = nil
	if src != nil {
		e.detail("default profile from %s", src.url)
		f.record.started = func(int) {
			go func() {
				p, err := baseline.Fetch(fetching, src.client, src.url, time.Duration(f.record.duration))
				done <- fetched{p, err}
			}()
		}
	}
	rec, err := recordProcess(ctx, e, &f.record, pid, nil)
	if err != nil || src == nil {
		return nil, rec, err
	}
	got := <-done
	if got.err != nil && src.given {
		return nil, nil, got.err
	} else if got.err != nil {
		e.warn("%s", oneLine(got.err.Error()))
	}
	return got.p, rec, nil
}

// locate finds where a process serves its default profile: nil when it does not. The error then says where
// was looked.
func (f *compareFlags) locate(ctx context.Context, pid int) (*pprofServer, error) {
	switch f.defaultURL {
	case defaultNone:
		return nil, nil
	case "":
	default:
		return &pprofServer{f.defaultURL, &http.Client{CheckRedirect: noRedirect}, true}, nil
	}
	src, err := findProfiles(ctx, pid)
	if err != nil {
		return nil, fmt.Errorf("default profile: %w (--default URL names another)", err)
	}
	return src, nil
}

// findProfiles finds where a process serves net/http/pprof.
func findProfiles(ctx context.Context, pid int) (*pprofServer, error) {
	p, err := proc.Open(pid)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	listening, err := p.Listeners()
	if err != nil {
		return nil, err
	}
	client := dialer(pid, listening)
	base, err := baseline.Find(ctx, client, listening)
	if err != nil {
		return nil, fmt.Errorf("%w, of %d that the process listens at", err, len(listening))
	}
	return &pprofServer{base, client, false}, nil
}

// dialer is a client that sees the network as the process does, since a container has one of its own, and that
// connects to nothing but what was found to be the process's: its answers must not lead anywhere else.
func dialer(pid int, listening []netip.AddrPort) *http.Client {
	connect := func(ctx context.Context, _, address string) (net.Conn, error) {
		to, err := netip.ParseAddrPort(address)
		if err != nil || !slices.ContainsFunc(listening, func(a netip.AddrPort) bool { return baseline.Reachable(a) == to }) {
			return nil, fmt.Errorf("%s is no address at which process %d listens", address, pid)
		}
		p, err := proc.Open(pid)
		if err != nil {
			return nil, err
		}
		defer p.Close()
		return p.Dial(ctx, to)
	}
	return &http.Client{CheckRedirect: noRedirect, Transport: &http.Transport{DisableKeepAlives: true, DialContext: connect}}
}

// noRedirect takes the first answer for the answer.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// pollEvery is how often a command that has just been started is asked.
const pollEvery = 100 * time.Millisecond

// await waits until the process serves its default profile, or ctx ends: then it is nil.
func (f *compareFlags) await(ctx context.Context, pid int) *pprofServer {
	for {
		src, _ := f.locate(ctx, pid)
		if src != nil && (!src.given || answers(ctx, src.url)) {
			return src
		}
		if f.defaultURL == defaultNone || !sleepContext(ctx, pollEvery) {
			return nil
		}
	}
}

// answers says whether something accepts connections at a URL; a malformed one is Fetch's to refuse.
func answers(ctx context.Context, at string) bool {
	u, err := url.Parse(at)
	if err != nil || u.Host == "" {
		return true
	}
	address := u.Host
	if u.Port() == "" {
		address = net.JoinHostPort(u.Hostname(), u.Scheme)
	}
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return false
	}
	return c.Close() == nil
}

// compareFlags is the command line of compare.
type compareFlags struct {
	record     recordFlags
	defaultURL string // --default
	result     resultFlags
	keep       string
	seed       uint64
	files      []string
}

// save keeps the profiles that were recorded.
func (f *compareFlags) save(e *env, defaultProfile, mayfly *profile.Profile) error {
	if f.keep == "" {
		return nil
	}
	if defaultProfile != nil {
		if err := writeProfile(e, filepath.Join(f.keep, keptDefault), defaultProfile); err != nil {
			return err
		}
	}
	return writeProfile(e, filepath.Join(f.keep, keptMayfly), mayfly)
}
