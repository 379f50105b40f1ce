package push

import (
	"errors"
	"fmt"
	"net"
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

// grpcPort is where receivers of OTLP take gRPC by default (OTLP Specification 1.10, "OTLP/gRPC Default Port"); of HTTP it is 4318.
const grpcPort = "4317"

// grpcSchemes are those of servers of gRPC, and what they are on the wire.
var grpcSchemes = map[string]string{"grpc": "http", "grpcs": "https"}

// Endpoint is where profiles go, of a URL that somebody wrote: the protocol's path is added to one that has none and, of Pyroscope, to
// one that does not end with it. By gRPC there is a port instead. No error has the URL in it.
func (p Protocol) Endpoint(text string) (*url.URL, error) {
	u, err := p.parseURL(text)
	if err != nil || grpcSchemes[u.Scheme] != "" {
		return u, err
	}
	has := strings.Trim(u.Path, "/")
	if has == "" || p == Pyroscope && has != paths[p] && !strings.HasSuffix(has, "/"+paths[p]) {
		u = u.JoinPath(paths[p])
	}
	return u, nil
}

// Base is where profiles go, of the URL below which all signals go, as OTEL_EXPORTER_OTLP_ENDPOINT has it: the path is added in any
// case. OTEL_EXPORTER_OTLP_PROTOCOL is protocol: with grpc, http:// is grpc://.
func (p Protocol) Base(text, protocol string) (*url.URL, error) {
	if protocol == "grpc" {
		text = strings.Replace(text, "http", "grpc", 1) // https, too; what begins otherwise is an error, or grpc:// already
	}
	u, err := p.parseURL(text)
	if err != nil || grpcSchemes[u.Scheme] != "" {
		return u, err
	}
	return u.JoinPath(paths[p]), nil
}

func (p Protocol) parseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "":
	case p == OTLP && grpcSchemes[u.Scheme] != "":
		return grpcURL(u)
	case u.Scheme == "http" || u.Scheme == "https":
		u.Fragment = ""
		return u, nil
	}
	if p == OTLP {
		return nil, errors.New("want http://HOST:PORT or https://HOST:PORT, or grpc://HOST:PORT or grpcs://HOST:PORT for gRPC")
	}
	return nil, errors.New("want http://HOST:PORT or https://HOST:PORT")
}

// grpcURL adds the port of OTLP by gRPC to a URL that has none.
func grpcURL(u *url.URL) (*url.URL, error) {
	if strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Hostname() == "" {
		return nil, errors.New("want grpc://HOST:PORT or grpcs://HOST:PORT and nothing behind it")
	}
	if u.Port() == "" {
		u.Host = net.JoinHostPort(u.Hostname(), grpcPort)
	}
	return &url.URL{Scheme: u.Scheme, User: u.User, Host: u.Host}, nil
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
