package names

import "testing"

func TestMatch(t *testing.T) {
	for _, tt := range []struct {
		function string
		list     []string
		want     bool
	}{
		{"runtime.mallocgc", Allocator, true},
		{"runtime.mallocgcSmallScanNoHeaderSC5", Allocator, true}, // Go 1.27, called by compiled code
		{"runtime.malg", Allocator, false},
		{"os.(*File).Sync", Files, true},
		{"os.Open", Files, false},
		{Assembly("runtime.goexit.abi0"), Goexit, true},
	} {
		if got := Match(tt.function, tt.list); got != tt.want {
			t.Errorf("%s: %v", tt.function, got)
		}
	}
}

func TestMoved(t *testing.T) {
	for pkg, want := range map[string]bool{
		"runtime": true, "_": true, "strconv": true, "encoding/json/jsontext": true, "encoding/json": true, "net/http/internal/http2": true,
		"crypto/sha256": true, "crypto/tls": false, "net/http": false, "encoding/xml": false, "main": false,
	} {
		if Moved(pkg) != want {
			t.Errorf("%s: moved %v", pkg, !want)
		}
	}
	if !MovedFunction("net/http", "(*http2ClientConn).RoundTrip") || !MovedFunction("net/http", "http2summarizeFrame") ||
		MovedFunction("net/http", "(*conn).serve") {
		t.Error("HTTP/2 left net/http, and nothing else did")
	}
}
