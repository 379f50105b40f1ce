package origin

import (
	"net/http/httptest"
	"testing"
)

func TestSite(t *testing.T) {
	for _, tt := range []struct {
		site, origin string
		ok           bool
	}{
		{"", "", true}, // curl, go tool pprof
		{"none", "", true},
		{"same-origin", "", true},
		{"same-origin", "http://127.0.0.1:6060", true},
		{"same-site", "", false},
		{"cross-site", "", false},
		{"cross-site", "http://127.0.0.1:6060", false},
		{"", "http://127.0.0.1:6060", true},
		{"", "http://127.0.0.1:6061", false},
		{"", "https://evil.example", false},
		{"", "null", false},
		{"", "://", false},
	} {
		r := httptest.NewRequest("POST", "http://127.0.0.1:6060/dump", nil)
		for k, v := range map[string]string{"Sec-Fetch-Site": tt.site, "Origin": tt.origin} {
			if v != "" {
				r.Header.Set(k, v)
			}
		}
		if err := Site(r); (err == nil) != tt.ok {
			t.Errorf("Sec-Fetch-Site %q, Origin %q: %v", tt.site, tt.origin, err)
		}
	}
}

func TestHost(t *testing.T) {
	for host, ok := range map[string]bool{
		"localhost": true, "localhost:80": true, "127.0.0.1": true, "10.1.2.3:6060": true, "[::1]": true, "[::1]:80": true, "[fe80::1]:80": true,
		"": false, "evil.example": false, "evil.example:6060": false, "localhost.evil.example": false, "127.0.0.1.evil.example:80": false,
		":80": false,
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = host
		if err := Host(r); (err == nil) != ok {
			t.Errorf("%q: %v", host, err)
		}
	}
}
