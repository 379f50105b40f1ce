package push

import (
	"net/http"
	"net/url"
)

// Profile is one as it is sent.
type Profile struct {
	Service string // that it is of
	Size    int    // bytes, compressed
	body    []byte
	header  http.Header
	query   url.Values // that is added to the URL's
}
