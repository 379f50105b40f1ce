package page

import (
	"bytes"
	"crypto/rand"
	"net"
	"net/http"
	"net/netip"
	"time"
)

// Handler serves the page, which asks it for its data: a browser takes them as they are, and not as base64 in the text of
// a file. Only requests to a loopback address or to localhost are answered, so that no page of somebody else that has its
// name lead here can read them (DNS rebinding). And only who knows path is answered: every user of this machine can ask at its
// loopback addresses, and a profile is for who recorded it.
func (b *Builder) Handler() (path string, h http.Handler, err error) {
	var page, data bytes.Buffer
	if err := b.frame(&page, fetched); err != nil {
		return "", nil, err
	}
	if err := b.Data(&data); err != nil {
		return "", nil, err
	}
	path = "/" + rand.Text() + "/"
	mux := http.NewServeMux()
	give := func(pattern, kind string, content []byte) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			h := w.Header()
			h.Set("Content-Type", kind)
			h.Set("X-Content-Type-Options", "nosniff")
			h.Set("Cache-Control", "no-store")
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
		})
	}
	give("GET "+path+"{$}", "text/html; charset=utf-8", page.Bytes())
	give("GET "+path+fetched, "application/octet-stream", data.Bytes())
	return path, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !IsLoopback(r.Host) {
			http.Error(w, "only for requests to localhost", http.StatusForbidden)
			return
		}
		mux.ServeHTTP(w, r)
	}), nil
}

// fetched is where a served page finds its data, beside it.
const fetched = "data"

// IsLoopback says whether a host, with or without a port, is this machine's own: localhost or a loopback address.
func IsLoopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(trimBrackets(host))
	return err == nil && ip.IsLoopback()
}

func trimBrackets(host string) string {
	if n := len(host); n > 2 && host[0] == '[' && host[n-1] == ']' {
		return host[1 : n-1]
	}
	return host
}
