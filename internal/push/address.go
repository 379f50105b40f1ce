package push

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// Protocol is how a server takes profiles. The values are its names in messages.
type Protocol string

// The protocols.
const (
	OTLP      Protocol = "OTLP"
	Pyroscope Protocol = "Pyroscope"
)

// paths are where servers take profiles.
var paths = map[Protocol]string{OTLP: "v1development/profiles", Pyroscope: "ingest"}

// Endpoint is where profiles go, of a URL that somebody wrote: the protocol's path is added to one that has none and, of Pyroscope, to
// one that does not end with it. No error has the URL in it.
func (p Protocol) Endpoint(text string) (*url.URL, error) {
	u, err := parseURL(text)
	if err != nil {
		return nil, err
	}
	has := strings.Trim(u.Path, "/")
	if has == "" || p == Pyroscope && has != paths[p] && !strings.HasSuffix(has, "/"+paths[p]) {
		u = u.JoinPath(paths[p])
	}
	return u, nil
}

// Base is where profiles go, of the URL below which all signals go, as OTEL_EXPORTER_OTLP_ENDPOINT has it: the path is added in any case.
func (p Protocol) Base(text string) (*url.URL, error) {
	u, err := parseURL(text)
	if err != nil {
		return nil, err
	}
	return u.JoinPath(paths[p]), nil
}

func parseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("want http://HOST:PORT or https://HOST:PORT")
	}
	u.Fragment = ""
	return u, nil
}

// Header makes a header of KEY=VALUE pairs; of a key that is there twice the last counts. No error has a value in it.
func Header(pairs []string) (http.Header, error) {
	h := make(http.Header)
	for _, pair := range pairs {
		key, value, ok := strings.Cut(pair, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if !ok || key == "" || strings.ContainsFunc(key, noToken) {
			return nil, errors.New("a header is KEY=VALUE, and KEY is letters, digits and hyphens")
		}
		if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			return nil, fmt.Errorf("header %s: a control character is in its value", key)
		}
		h.Set(key, value)
	}
	return h, nil
}

// noToken says whether a character is none of a header's name (RFC 9110, 5.6.2).
func noToken(r rune) bool {
	return !strings.ContainsRune("!#$%&'*+-.^_`|~", r) && inKey(r) != r
}
