package proc

import (
	"bytes"
	"net/url"
	"os"
	"slices"
	"strings"
)

// Hardware is what a program's speed depends on and its code does not say.
type Hardware struct {
	Model    string // of the CPU, as /proc/cpuinfo has it
	Features string // of the CPU, those that the Go runtime and assembly choose code by, separated by spaces
	Governor string // of the CPU's frequency, "" without one
}

// features are the flags of /proc/cpuinfo that internal/cpu, golang.org/x/sys/cpu and code of well-known modules ask for.
var features = []string{
	"adx", "aes", "avx", "avx2", "avx512bw", "avx512dq", "avx512f", "avx512ifma", "avx512vbmi", "avx512vl",
	"bmi1", "bmi2", "erms", "fma", "fsrm",
	"pclmulqdq", "popcnt", "sha_ni", "sse4_1", "sse4_2", "ssse3", "vaes", "vpclmulqdq",
	"asimddp", "atomics", "crc32", "pmull", "sha1", "sha2", "sha3", "sha512", "sve", "sve2",
}

// ReadHardware reads it of this host; what is not known is "".
func ReadHardware() (h Hardware) {
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		h = parseHardware(text)
	}
	if text, err := os.ReadFile("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"); err == nil {
		h.Governor = strings.TrimSpace(string(text))
	}
	return h
}

// parseHardware reads what /proc/cpuinfo says of the first CPU. arm64 has no model name: there the implementer and the part are the model.
func parseHardware(text []byte) (h Hardware) {
	var arm []string
	for line := range bytes.Lines(text) {
		key, value, _ := strings.Cut(string(line), ":")
		value = strings.TrimSpace(value)
		switch strings.TrimSpace(key) {
		case "":
			if h.Features != "" { // the first CPU's part ends
				return h
			}
		case "model name":
			h.Model = value
		case "CPU implementer", "CPU part":
			arm = append(arm, value)
			h.Model = "arm " + strings.Join(arm, " ")
		case "flags", "Features":
			known := slices.DeleteFunc(strings.Fields(value), func(f string) bool { return !slices.Contains(features, f) })
			slices.Sort(known)
			h.Features = strings.Join(known, " ")
		}
	}
	return h
}

// Settings are the variables of the process's environment that its Go runtime reads, as it was started with them: KEY=VALUE,
// those that are set. No other variable leaves this function.
func (p *Process) Settings() (set []string, err error) {
	b, err := p.read("environ")
	if err != nil {
		return nil, err
	}
	return parseSettings(b), nil
}

// Resource is what the process's environment says of its service, as it was started with it, in the format of
// OTEL_RESOURCE_ATTRIBUTES: that variable, and OTEL_SERVICE_NAME, which goes before it. No other variable leaves this function.
func (p *Process) Resource() (string, error) {
	b, err := p.read("environ")
	if err != nil {
		return "", err
	}
	return parseResource(b), nil
}

const (
	longestSetting  = 1 << 10 // bytes of a variable
	longestResource = 8 << 10
)

func parseResource(b []byte) string {
	var attributes, service string
	for v := range bytes.SplitSeq(b, []byte{0}) {
		key, value, _ := strings.Cut(string(v[:min(len(v), longestResource+1)]), "=")
		switch {
		case value == "" || len(v) > longestResource:
		case key == "OTEL_RESOURCE_ATTRIBUTES":
			attributes = value
		case key == "OTEL_SERVICE_NAME":
			service = "service.name=" + url.PathEscape(value)
		}
	}
	if attributes != "" && service != "" {
		attributes += ","
	}
	return attributes + service
}

func parseSettings(b []byte) (set []string) {
	for v := range bytes.SplitSeq(b, []byte{0}) {
		key, _, ok := bytes.Cut(v, []byte{'='})
		if ok && len(v) <= longestSetting && slices.Contains([]string{"GODEBUG", "GOGC", "GOMAXPROCS", "GOMEMLIMIT"}, string(key)) {
			set = append(set, string(v))
		}
	}
	slices.Sort(set)
	return set
}
