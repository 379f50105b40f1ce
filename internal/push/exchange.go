package push

import (
	"io"
	"net/http"
)

// Exchange makes a request once and returns the answer and its body, which is no more than most bytes of what there is. It follows no
// redirect. An answer that is no success is an error, too, with the answer beside it; without one there was none. No error has the
// request's URL or header in it, and what a server says is in it as one line that can be printed.
func Exchange(transport http.RoundTripper, req *http.Request, most int64) (*http.Response, []byte, error) {
	client := &http.Client{Transport: transport, CheckRedirect: noRedirect}
	resp, err := client.Do(req)
	if err != nil {
		return nil, nil, lost(req.Context(), err)
	}
	defer resp.Body.Close()
	success := resp.StatusCode/100 == 2
	if !success {
		most = min(most, mostAnswer)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, most))
	switch {
	case err != nil:
		return nil, nil, lost(req.Context(), err)
	case !success:
		return resp, nil, refusedBy(resp, body)
	}
	return resp, body, nil
}

// noRedirect takes the first answer for the answer.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// mostAnswer is how much of an answer that holds no profile is read, in bytes.
const mostAnswer = 64 << 10
