// Package export writes profiles in the formats that other tools read. It sees profiles only: it
// knows no process and no source.
//
// To add a format: one file with its Write function, one row in the table below.
package export

import (
	"compress/gzip"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/render"
)

// Format is one way to write a profile.
type Format struct {
	Name       string
	Extensions []string // with the dot, lower case, longest first
	MIME       string   // what a server says it is
	Doc        string
	Timeline   bool // only for profiles that say when each sample was (mayfly record --timeline)
	Write      func(io.Writer, *profile.Profile, Options) error
}

const (
	octets   = "application/octet-stream"
	plain    = "text/plain; charset=utf-8"
	jsonText = "application/json"
)

var formats = []Format{
	{"pprof", []string{".pb.gz", ".pprof", ".pb"}, octets,
		"gzip-compressed profile.proto, for go tool pprof and every pprof viewer", false, writePprof},
	{"folded", []string{".folded", ".collapsed"}, plain,
		"one stack a line, root first, with its value in one column, for flame graph tools", false, writeFolded},
	{"speedscope", []string{".speedscope.json"}, jsonText,
		"for speedscope.app: each column is a profile", false, writeSpeedscope},
	{"firefox", []string{".firefox.json"}, jsonText,
		"for profiler.firefox.com: each column is a thread", false, writeFirefox},
	{"otlp", []string{".otlp"}, octets,
		"protobuf of OpenTelemetry, " + OTLPSchema, false, writeOTLP},
	{"perfetto", []string{".pftrace", ".perfetto-trace"}, octets,
		"for ui.perfetto.dev: a track for each goroutine and request", true, writePerfetto},
}

// Formats returns all formats, the default first.
func Formats() []Format { return append([]Format(nil), formats...) }

// ByName returns the format with the given name.
func ByName(name string) (Format, error) {
	var names []string
	for _, f := range formats {
		names = append(names, f.Name)
	}
	i, err := render.Named("format", name, names)
	if err != nil {
		return Format{}, err
	}
	return formats[i], nil
}

// ForFile returns the format that the file's extension asks for, pprof when it asks for none.
func ForFile(path string) Format {
	for _, f := range formats {
		for _, ext := range f.Extensions {
			if strings.HasSuffix(strings.ToLower(path), ext) {
				return f
			}
		}
	}
	return formats[0]
}

func writePprof(w io.Writer, p *profile.Profile, o Options) error {
	if err := p.CheckValid(); err != nil {
		return fmt.Errorf("write pprof: %w", err)
	}
	if o.Column == "" {
		return zip(w, p)
	}
	column, err := o.column(p)
	if err != nil {
		return err
	}
	return zip(w, showing(p, column))
}

// showing is a profile with another default column. It shares all else with p.
func showing(p *profile.Profile, column int) *profile.Profile {
	return &profile.Profile{
		SampleType: p.SampleType, DefaultSampleType: p.SampleType[column].Type, PeriodType: p.PeriodType, Period: p.Period,
		Sample: p.Sample, Mapping: p.Mapping, Location: p.Location, Function: p.Function,
		Comments: p.Comments, DocURL: p.DocURL, DropFrames: p.DropFrames, KeepFrames: p.KeepFrames,
		TimeNanos: p.TimeNanos, DurationNanos: p.DurationNanos,
	}
}

// zips have the tables of compression, 0.8 MB: more than most profiles.
var zips = sync.Pool{New: func() any { return gzip.NewWriter(io.Discard) }}

// zip is p.Write.
func zip(w io.Writer, p *profile.Profile) error {
	z := zips.Get().(*gzip.Writer)
	defer zips.Put(z)
	defer z.Reset(io.Discard)
	z.Reset(w)
	if err := p.WriteUncompressed(z); err != nil {
		return err
	}
	return z.Close()
}
