package baseline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// FetchTrace asks the process behind base, an address that Find returned, for an execution trace of the next d, of at most limit
// bytes. What came until ctx ended, the process did or the limit was reached is returned together with the error. A process has
// one tracer at a time: a second one is refused.
func FetchTrace(ctx context.Context, c *http.Client, base string, d time.Duration, limit int64) ([]byte, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("execution trace: %q is no URL", base)
	}
	u.Path = "/debug/pprof/trace"
	u.RawQuery = url.Values{"seconds": {strconv.FormatFloat(d.Seconds(), 'f', 3, 64)}}.Encode()
	body, err := get(ctx, c, "execution trace", u.String())
	if err != nil {
		return nil, err
	}
	defer body.Close()
	var b bytes.Buffer
	n, err := io.Copy(&b, io.LimitReader(body, limit))
	if err == nil && n == limit {
		err = errors.New("longer than the limit")
	}
	if err != nil {
		err = fmt.Errorf("execution trace: %w", err)
	}
	return b.Bytes(), err
}
