package push

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/export"
)

// mostRequest is how large a request of OTLP may be, in bytes before compression. The Collector refuses what has more than 20 MiB
// (config/confighttp, defaultMaxRequestBodySize), which it counts after decompression.
const mostRequest = 16 << 20

// mostMessage is the same by gRPC: a server that is not set up otherwise takes 4 MiB (google.golang.org/grpc,
// defaultServerMaxReceiveMessageSize).
const mostMessage = 4 << 20

// splitter makes requests of OTLP, each below a bound where that is possible.
type splitter struct {
	format  export.Format
	options export.Options
	most    int // bytes before compression
}

// split makes requests of a profile. The samples of all of them together are those of the profile, in its order.
func (x *splitter) split(p *profile.Profile) ([]request, error) {
	// What each request has to repeat, comments above all, is not less of it in halves.
	if _, err := x.encode(withSamples(p, nil), x.most/2); errors.Is(err, errLarge) {
		whole, err := x.encode(p, unbounded)
		return []request{whole}, err
	}
	return x.halves(p)
}

// halves makes one request of a profile, or, if that would be too large, those of one half of its samples and of the other.
func (x *splitter) halves(p *profile.Profile) (list []request, err error) {
	most := x.most
	if len(p.Sample) < 2 {
		most = unbounded // a server may take more than the Collector does
	}
	one, err := x.encode(p, most)
	if !errors.Is(err, errLarge) {
		return []request{one}, err
	}
	middle := len(p.Sample) / 2
	for _, half := range [][]*profile.Sample{p.Sample[:middle], p.Sample[middle:]} {
		more, err := x.halves(withSamples(p, half))
		if err != nil {
			return nil, err
		}
		list = append(list, more...)
	}
	return list, nil
}

// encode makes a request of a profile, or returns errLarge.
func (x *splitter) encode(p *profile.Profile, most int) (request, error) {
	var body bytes.Buffer
	z := gzip.NewWriter(&body)
	err := x.format.Write(&bounded{z, most}, p, x.options)
	if err == nil {
		err = z.Close()
	}
	return request{body.Bytes(), len(p.Sample)}, err
}

var errLarge = errors.New("too large for one request")

// unbounded is a bound that nothing reaches.
const unbounded = int(^uint(0) >> 1)

// bounded is a writer that takes no more than so many bytes. What is too large is not compressed, as formats write in one piece.
type bounded struct {
	to   io.Writer
	left int
}

func (b *bounded) Write(text []byte) (int, error) {
	if b.left -= len(text); b.left < 0 {
		return 0, errLarge
	}
	return b.to.Write(text)
}
