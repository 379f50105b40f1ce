package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// counter reads a count from a process's own metrics.
type counter struct {
	url, name string
	client    *http.Client
}

func newCounter(at string) *counter {
	url, name, _ := strings.Cut(at, "#")
	return &counter{url, name, &http.Client{CheckRedirect: noRedirect, Timeout: 5 * time.Second}}
}

// mostMetrics is how much of an answer is read.
const mostMetrics = 16 << 20

func (c *counter) read() (float64, error) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, c.url, nil)
	if err != nil {
		return 0, fmt.Errorf("--counter: %w", err)
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return 0, fmt.Errorf("--counter: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("--counter %s: %s", c.url, resp.Status)
	}
	sum, found := sumOf(io.LimitReader(resp.Body, mostMetrics), c.name)
	if !found {
		return 0, fmt.Errorf("--counter %s: no metric %q", c.url, c.name)
	}
	return sum, nil
}

// sumOf adds up all series of a metric in Prometheus's text format.
func sumOf(r io.Reader, name string) (sum float64, found bool) {
	in := bufio.NewScanner(r)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		rest, ok := strings.CutPrefix(in.Text(), name)
		if !ok || rest == "" || rest[0] != '{' && rest[0] != ' ' {
			continue
		}
		if i := strings.LastIndexByte(rest, '}'); i >= 0 {
			rest = rest[i+1:]
		}
		fields := strings.Fields(rest)
		if len(fields) == 0 {
			continue
		}
		if v, err := strconv.ParseFloat(fields[0], 64); err == nil {
			sum, found = sum+v, true
		}
	}
	return sum, found
}
