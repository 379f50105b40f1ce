package baseline

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/pprof"
	"net/netip"
	"testing"
)

// Servers that answer anything, refuse, or never answer are passed over.
func TestFind(t *testing.T) {
	serve := func(h http.HandlerFunc) netip.AddrPort {
		s := httptest.NewServer(h)
		t.Cleanup(s.Close)
		return netip.MustParseAddrPort(s.Listener.Addr().String())
	}
	friendly := serve(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("<title>hello</title>")) })
	absent := serve(http.NotFound)
	silent := serve(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	closed := httptest.NewServer(nil)
	gone := netip.MustParseAddrPort(closed.Listener.Addr().String())
	closed.Close()
	right := serve(pprof.Index)

	base, err := Find(t.Context(), http.DefaultClient, []netip.AddrPort{friendly, absent, silent, gone, right})
	if want := "http://" + right.String(); base != want || err != nil {
		t.Errorf("%q, %v; want %q", base, err, want)
	}
	everywhere := netip.AddrPortFrom(netip.IPv6Unspecified(), right.Port())
	if base, err = Find(t.Context(), http.DefaultClient, []netip.AddrPort{everywhere}); base != "http://"+right.String() {
		t.Errorf("%v: %q, %v", everywhere, base, err)
	}
	if base, err = Find(t.Context(), http.DefaultClient, []netip.AddrPort{friendly, absent}); !errors.Is(err, ErrNoHandlers) {
		t.Errorf("%q, %v; want ErrNoHandlers", base, err)
	}
}
