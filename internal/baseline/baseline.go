// Package baseline takes the profiles that Go programs have without mayfly, over the same seconds,
// so that the two can be compared: the default CPU profile (runtime/pprof, 100 Hz) of this process
// or of one that serves net/http/pprof, and fgprof's wall-clock profile of this process.
//
// Both come as pprof profiles and join mayfly's own to the right of its builder.
package baseline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime/pprof"
	"strconv"
	"strings"
	"time"

	"github.com/felixge/fgprof"
	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/samples"
)

// patience is how long after its seconds a profile may arrive: the handler counts whole ones, and has to write it.
var patience = 5 * time.Second

// CPU runs the runtime's own CPU profiler at its default rate for d, or until ctx ends. It fails
// when the profiler is in use.
func CPU(ctx context.Context, d time.Duration) (*profile.Profile, error) {
	var b bytes.Buffer
	if err := pprof.StartCPUProfile(&b); err != nil {
		return nil, fmt.Errorf("default profile: %w", err)
	}
	wait(ctx, d)
	pprof.StopCPUProfile()
	return samples.Read(&b, "default profile")
}

// Wall runs fgprof on this process for d, or until ctx ends: the stacks of all goroutines at 99 Hz,
// with two stops of the world each. Its pprof output is read, because its folded one is leaf
// first.
func Wall(ctx context.Context, d time.Duration) (p *profile.Profile, err error) {
	// fgprof divides by the rate that it reached, which rounds to 0 below 1 look in two seconds: with
	// 100,000 goroutines, or when it is ended at once.
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("fgprof: too few scans of the goroutines: %v", r)
		}
	}()
	var b bytes.Buffer
	stop := fgprof.Start(&b, fgprof.FormatPprof)
	wait(ctx, d)
	if err := finish(stop); err != nil {
		return nil, fmt.Errorf("fgprof: %w", err)
	}
	return samples.Read(&b, "fgprof")
}

// finish calls fgprof's function that ends a profile. Version 0.9.5 divides by the rate that it
// reached, which is 0 when there was no time for a sample.
func finish(stop func() error) (err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("no sample: the window was too short")
		}
	}()
	return stop()
}

// Fetch asks the process behind base for its default CPU profile of the next d. base is the
// address of its net/http/pprof handlers, with or without the path /debug/pprof/profile, and c how to
// get there. It returns when the profile has arrived, so after d, or an error some seconds later; ctx ends it early.
// What comes is bounded as any file is that package samples reads.
func Fetch(ctx context.Context, c *http.Client, base string, d time.Duration) (*profile.Profile, error) {
	u, err := profileURL(base, d)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, d.Truncate(time.Second)+time.Second+patience, errLate)
	defer cancel()
	body, err := get(ctx, c, "default profile", u)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return samples.Read(body, u)
}

var errLate = errors.New("it did not arrive in time")

// get asks a handler of net/http/pprof for what it serves, which the caller closes.
func get(ctx context.Context, c *http.Client, what, address string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	resp, err := c.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		why, _ := io.ReadAll(io.LimitReader(resp.Body, 200))
		return nil, fmt.Errorf("%s: %s: %s: %s", what, address, resp.Status, strings.Join(strings.Fields(string(why)), " "))
	}
	return resp.Body, nil
}

// profileURL completes base. The handler counts in whole seconds.
func profileURL(base string, d time.Duration) (string, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" {
		return "", fmt.Errorf("default profile: %q is no URL: want http://HOST:PORT[/debug/pprof/profile]", base)
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/debug/pprof/profile"
	}
	seconds := max(1, int((d+time.Second-1)/time.Second))
	q := u.Query()
	q.Set("seconds", strconv.Itoa(seconds))
	u.RawQuery = q.Encode()
	return u.String(), nil
}

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
