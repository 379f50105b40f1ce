package push

import (
	"cmp"
	"errors"
	"math"
	"net/http"

	"github.com/google/pprof/profile"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/mayfly-profiler/mayfly/export"
	"github.com/mayfly-profiler/mayfly/internal/resource"
)

// protobufType is the media type of OTLP's binary encoding.
const protobufType = "application/x-protobuf"

// versionHeader is the version of the profiles in development that a request is of, since opentelemetry-proto 1.11; servers that know
// it refuse others, and take a request without it for the first.
const (
	versionHeader = "OTLP-Profiles-Development-Version"
	version       = "1"
)

// otlpHeader is what each request has.
var otlpHeader = http.Header{"Content-Type": {protobufType}, "Content-Encoding": {"gzip"}, versionHeader: {version}}

// method is where receivers of OTLP take profiles by gRPC (opentelemetry/proto/collector/profiles/v1development/profiles_service.proto).
const method = "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export"

// encodeOTLP makes ExportProfilesServiceRequests, each with a dictionary of its own.
func (s *Server) encodeOTLP(p *profile.Profile, service string) (*Profile, error) {
	format, err := export.ByName("otlp")
	if err != nil {
		return nil, err
	}
	x := splitter{format: format, options: export.Options{Service: service}, most: cmp.Or(s.most, mostRequest)}
	if s.ByGRPC() {
		x.most = cmp.Or(s.most, mostMessage)
	}
	requests, err := x.split(p)
	if service == "" {
		service = resource.Service(p)
	}
	return &Profile{Service: service, requests: requests}, err
}

var errNoAnswer = errors.New("its answer is none of OTLP: is the URL that of a receiver of profiles?")

// readPartial reads what an ExportProfilesServiceResponse says of profiles that were not taken:
// partial_success, field 1, has rejected_profiles, field 1, and error_message, field 2.
func readPartial(b []byte) (rejected int64, message string, err error) {
	err = fields(b, func(number protowire.Number, _ uint64, partial []byte) error {
		if number != 1 {
			return nil
		}
		return fields(partial, func(number protowire.Number, n uint64, text []byte) error {
			switch number {
			case 1:
				rejected = int64(min(n, math.MaxInt32)) // what is more, or less than none, makes no sense
			case 2:
				message = string(text)
			}
			return nil
		})
	})
	if err != nil {
		return 0, "", errNoAnswer
	}
	return rejected, message, nil
}

// readStatus is the message of a google.rpc.Status, field 2, "" of what is none.
func readStatus(b []byte) string {
	_, message := field(b, 2)
	return string(message)
}

// field is a number or the bytes of a message's field, the last one's; nothing of what does not parse.
func field(b []byte, want protowire.Number) (value uint64, text []byte) {
	err := fields(b, func(number protowire.Number, n uint64, t []byte) error {
		if number == want {
			value, text = n, t
		}
		return nil
	})
	if err != nil {
		return 0, nil
	}
	return value, text
}

// fields calls f with each field of a message: a number, or bytes. Those of other kinds are left out.
func fields(b []byte, f func(field protowire.Number, n uint64, text []byte) error) error {
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		size := protowire.ConsumeFieldValue(number, kind, b)
		if size < 0 {
			return protowire.ParseError(size)
		}
		var err error
		switch kind {
		case protowire.VarintType:
			v, _ := protowire.ConsumeVarint(b)
			err = f(number, v, nil)
		case protowire.BytesType:
			text, _ := protowire.ConsumeBytes(b)
			err = f(number, 0, text)
		}
		if err != nil {
			return err
		}
		b = b[size:]
	}
	return nil
}
