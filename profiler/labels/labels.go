// Package labels gives the goroutines that serve a request pprof labels that say which one it is, so
// that a profile can be split by endpoint and a slow request be found in it. Goroutines that a
// handler starts inherit them.
//
//	http.ListenAndServe(addr, labels.Handler(mux))
package labels

import (
	"context"
	"math/rand/v2"
	"net/http"
	"runtime/pprof"
	"strconv"
)

// The labels' keys.
const (
	Endpoint = "endpoint" // the pattern that matched, "GET /orders/{id}"; never the path itself
	Request  = "request"  // an id: the header X-Request-Id if there is a good one, else a random number
)

// Header is where a request's id is looked for.
const Header = "X-Request-Id"

// unmatched is the endpoint of what no pattern matches, or when nobody says which does.
const unmatched = "other"

// maxID bounds what is taken from a client.
const maxID = 64

// Handler serves as next does, with labels. next is best a *http.ServeMux, or anything with its
// method Handler, which is asked for the pattern; behind a mux the request has it already.
func Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		set := Set(pattern(next, r), r.Header.Get(Header))
		pprof.Do(r.Context(), set, func(ctx context.Context) { next.ServeHTTP(w, r.WithContext(ctx)) })
	})
}

// Set is the labels of one request, for servers of another kind (package rpc is for gRPC). endpoint is one
// of few, never what a client made up. id is what the client calls the request; where that is no
// good label, or empty, the request gets a random number.
func Set(endpoint, id string) pprof.LabelSet {
	if !good(id) {
		id = strconv.FormatUint(rand.Uint64(), 16)
	}
	return pprof.Labels(Endpoint, endpoint, Request, id)
}

// matcher is what a *http.ServeMux can do.
type matcher interface {
	Handler(*http.Request) (http.Handler, string)
}

func pattern(next http.Handler, r *http.Request) string {
	p := r.Pattern
	if m, ok := next.(matcher); ok && p == "" {
		_, p = m.Handler(r)
	}
	if p == "" {
		return unmatched
	}
	return p
}

// good allows letters, digits and a few marks: a label is for people and for command lines.
func good(id string) bool {
	if id == "" || len(id) > maxID {
		return false
	}
	for _, c := range []byte(id) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.',
			c == ':', c == '/', c == '=', c == '+':
		default:
			return false
		}
	}
	return true
}
