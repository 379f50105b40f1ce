// Package resource says who a profile is of, in OpenTelemetry's words: attributes of a resource, by its semantic conventions
// (resource/service, resource/process, resource/host). It goes by what the profile itself says.
package resource

import (
	"cmp"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// Unknown is the name of a service of which no name is known; the word is OpenTelemetry's.
const Unknown = "unknown_service"

// Keys of attributes that are made here.
const (
	keyService    = "service.name"
	keyExecutable = "process.executable.name"
	keyPath       = "process.executable.path"
	keyPID        = "process.pid"
	keyRuntime    = "process.runtime.name"
	keyVersion    = "process.runtime.version"
	keyHost       = "host.name"
)

// Attribute is one of a resource: a text, or a number if Text is "".
type Attribute struct {
	Key, Text string
	Number    int64
}

// Service is the name of the service that a profile is of: what its environment said (OTEL_SERVICE_NAME, and service.name of
// OTEL_RESOURCE_ATTRIBUTES), else the file name of its executable, else Unknown.
func Service(p *profile.Profile) string {
	return cmp.Or(Parse(comment(p, sample.CommentResource))[keyService], base(executable(p)), Unknown)
}

// Of returns the attributes of the process that a profile is of, by key. A service that is not "" is its name.
func Of(p *profile.Profile, service string) []Attribute {
	texts := Parse(comment(p, sample.CommentResource)) // the process's own words go first
	set := func(key, text string) {
		if text != "" && texts[key] == "" {
			texts[key] = text
		}
	}
	if service != "" {
		texts[keyService] = service
	}
	set(keyService, Service(p))
	set(keyPath, executable(p))
	set(keyExecutable, base(executable(p)))
	if version := comment(p, sample.CommentGoVersion); version != "" {
		set(keyRuntime, "go")
		set(keyVersion, version)
	}
	set(keyHost, comment(p, sample.CommentHostname))
	var list []Attribute
	if pid, err := strconv.ParseInt(comment(p, sample.CommentPID), 10, 32); err == nil && pid > 0 {
		delete(texts, keyPID)
		list = append(list, Attribute{Key: keyPID, Number: pid})
	}
	for key, text := range texts {
		list = append(list, Attribute{Key: key, Text: text})
	}
	slices.SortFunc(list, func(a, b Attribute) int { return cmp.Compare(a.Key, b.Key) })
	return list
}

// ofHost are how keys begin that say something of a host, and so of each process on it. Others are of the program that has them.
var ofHost = []string{"cloud.", "deployment.", "host.", "k8s.cluster.", "k8s.node."}

// Host is what the environment of a program on a host says of the host: text is its OTEL_RESOURCE_ATTRIBUTES.
func Host(text string) map[string]string {
	pairs := Parse(text)
	maps.DeleteFunc(pairs, func(key, _ string) bool {
		return !slices.ContainsFunc(ofHost, func(begin string) bool { return strings.HasPrefix(key, begin) })
	})
	return pairs
}

// AddHost has a profile say of its host what its process does not say of it.
func AddHost(p *profile.Profile, host map[string]string) {
	said := Parse(comment(p, sample.CommentResource))
	var pairs []string
	for _, key := range slices.Sorted(maps.Keys(host)) {
		if said[key] == "" {
			pairs = append(pairs, key+"="+url.PathEscape(host[key]))
		}
	}
	if len(pairs) == 0 {
		return
	}
	text := strings.Join(pairs, ",")
	for i, c := range p.Comments {
		if key, _ := sample.Comment(c); key == sample.CommentResource {
			p.Comments[i] = c + "," + text
			return
		}
	}
	p.Comments = append(p.Comments, sample.CommentMark+sample.CommentResource+"="+text)
}

// executable is the file of the program, which is the first mapping's; "" if it is not known.
func executable(p *profile.Profile) string {
	if len(p.Mapping) == 0 || strings.HasPrefix(p.Mapping[0].File, "[") {
		return ""
	}
	return p.Mapping[0].File
}

// base is the last element of a path, "" of none.
func base(file string) string { return file[strings.LastIndexByte(file, '/')+1:] }

// comment is the value of a comment of a profile, "" if there is none.
func comment(p *profile.Profile, key string) string {
	for _, c := range p.Comments {
		if k, value := sample.Comment(c); k == key {
			return value
		}
	}
	return ""
}

// Parse reads KEY=VALUE pairs, separated by commas, in which values are percent-encoded: the format of OTEL_RESOURCE_ATTRIBUTES and
// OTEL_EXPORTER_OTLP_HEADERS (https://opentelemetry.io/docs/specs/otel/resource/sdk). Of a key that is there twice the last counts.
// What is no pair is left out.
func Parse(text string) map[string]string {
	pairs := make(map[string]string)
	for pair := range strings.SplitSeq(text, ",") {
		key, value, ok := strings.Cut(pair, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if decoded, err := url.PathUnescape(value); err == nil {
			value = decoded
		}
		if ok && key != "" && value != "" {
			pairs[key] = value
		}
	}
	return pairs
}
