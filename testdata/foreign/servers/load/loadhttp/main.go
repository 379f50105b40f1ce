// Command loadhttp gets one path.
package main

import (
	"flag"
	"fmt"
	"io"
	"net/http"

	"github.com/mayfly-profiler/mayfly/testdata/foreign/servers/pace"
)

var (
	path = flag.String("path", "/", "path and query")
	once = flag.Bool("once", false, "a new connection for each request")
)

func main() {
	flag.Parse()
	url := "http://" + *pace.Addr + *path
	pace.Run(func(int) (pace.Client, error) {
		c := &http.Client{Transport: &http.Transport{DisableKeepAlives: *once}}
		return pace.Client{Do: func(int) error { return get(c, url) }, Close: c.CloseIdleConnections}, nil
	})
}

func get(c *http.Client, url string) error {
	answer, err := c.Get(url)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil || answer.StatusCode == http.StatusOK {
		return err
	}
	return fmt.Errorf("%s: %s", url, answer.Status)
}
