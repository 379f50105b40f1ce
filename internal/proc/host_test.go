package proc

import (
	"slices"
	"strings"
	"testing"
)

func TestParseHardware(t *testing.T) {
	const amd = "processor\t: 0\nmodel name\t: AMD EPYC 9B14\nflags\t\t: fpu avx2 sha_ni avx x y\nbugs\t\t: a\n\n" +
		"processor\t: 1\nmodel name\t: other\nflags\t\t: fpu\n"
	if h := parseHardware([]byte(amd)); h.Model != "AMD EPYC 9B14" || h.Features != "avx avx2 sha_ni" {
		t.Errorf("%+v", h)
	}
	const arm = "processor\t: 0\nFeatures\t: fp asimd aes pmull sha2 crc32\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n"
	if h := parseHardware([]byte(arm)); h.Model != "arm 0x41 0xd0c" || h.Features != "aes crc32 pmull sha2" {
		t.Errorf("%+v", h)
	}
	if h := parseHardware(nil); h != (Hardware{}) {
		t.Errorf("%+v", h)
	}
}

func TestParseSettings(t *testing.T) {
	env := "SECRET=x\x00GOGC=50\x00GODEBUG=cpu.avx2=off\x00GOMAXPROCS\x00GOMEMLIMIT=" + strings.Repeat("1", 2000) + "\x00"
	if got := parseSettings([]byte(env)); !slices.Equal(got, []string{"GODEBUG=cpu.avx2=off", "GOGC=50"}) {
		t.Errorf("%q", got)
	}
}

func TestParseResource(t *testing.T) {
	for env, want := range map[string]string{
		"SECRET=x\x00OTEL_SERVICE_NAME=a, b\x00OTEL_RESOURCE_ATTRIBUTES=service.name=c,k=v%2C\x00": "service.name=c,k=v%2C,service.name=a%2C%20b",
		"OTEL_RESOURCE_ATTRIBUTES=k=v": "k=v",
		"OTEL_SERVICE_NAME=a":          "service.name=a",
		"OTEL_SERVICE_NAME=\x00OTEL_RESOURCE_ATTRIBUTES\x00OTEL_SERVICE_NAME=" + strings.Repeat("x", 9<<10): "",
	} {
		if got := parseResource([]byte(env)); got != want {
			t.Errorf("%.60q: %q, want %q", env, got, want)
		}
	}
}
