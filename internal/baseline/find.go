package baseline

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// ErrNoHandlers is returned by Find when no address serves net/http/pprof.
var ErrNoHandlers = errors.New("no address serves /debug/pprof/")

// probeTimeout is how long one address may take to answer.
const probeTimeout = 500 * time.Millisecond

// maxProbes bounds how many addresses are asked.
const maxProbes = 64

// Find returns the base for Fetch of the first of a process's listening addresses that answers GET
// /debug/pprof/ as net/http/pprof does, or ErrNoHandlers. Plain HTTP only, and at the path where
// importing net/http/pprof puts the handlers.
func Find(ctx context.Context, c *http.Client, listening []netip.AddrPort) (base string, err error) {
	for _, a := range listening[:min(len(listening), maxProbes)] {
		base := "http://" + Reachable(a).String()
		if isPprof(ctx, c, base) {
			return base, nil
		}
	}
	return "", ErrNoHandlers
}

// Reachable is the address for a connection to who listens on a.
func Reachable(a netip.AddrPort) netip.AddrPort {
	if !a.Addr().IsUnspecified() {
		return a
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), a.Port()) // Go's [::] takes both
}

// isPprof says whether the index page is that of net/http/pprof (pprof.go, indexTmplExecute): any server
// may answer 200 to any path.
func isPprof(ctx context.Context, c *http.Client, base string) bool {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/debug/pprof/", nil)
	if err != nil {
		return false
	}
	resp, err := c.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	has := func(s string) bool { return strings.Contains(string(page), s) }
	return err == nil && resp.StatusCode == http.StatusOK && has("<title>/debug/pprof/</title>") && has("goroutine?debug=") &&
		has("profile?debug=")
}
