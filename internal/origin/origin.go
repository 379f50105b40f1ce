// Package origin tells requests that a page in somebody's browser had it send to a server of this host from those of programs.
// Such a page can be anybody's, and the browser reaches what its author does not.
package origin

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// Site refuses what a page of another site has a browser send. Browsers say so by Sec-Fetch-Site (Fetch Metadata), and those
// that do not know it by Origin, as http.CrossOriginProtection has it; other clients send neither.
func Site(r *http.Request) error {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "none", "same-origin":
		return nil
	case "":
	default:
		return errors.New("not for pages of other sites")
	}
	o := r.Header.Get("Origin")
	if o == "" {
		return nil
	}
	if u, err := url.Parse(o); err != nil || u.Host != r.Host {
		return errors.New("not for pages of other sites")
	}
	return nil
}

// Host refuses the name of another host. One that leads to this host all the same may be made to by its owner, so that his page
// is of the same site for the browser (DNS rebinding). That nobody can do to an address or to localhost.
func Host(r *http.Request) error {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if host == "localhost" {
		return nil
	}
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err != nil {
		return fmt.Errorf("host %q: name this host by localhost or its address", host)
	}
	return nil
}
