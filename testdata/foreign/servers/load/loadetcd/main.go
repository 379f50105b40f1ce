// Command loadetcd puts and gets, half and half.
package main

import (
	"context"
	"flag"
	"fmt"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/mayfly-profiler/mayfly/testdata/foreign/servers/pace"
)

func main() {
	flag.Parse()
	value := strings.Repeat("x", 256)
	pace.Run(func(i int) (pace.Client, error) {
		c, err := clientv3.New(clientv3.Config{Endpoints: []string{"http://" + *pace.Addr}, DialTimeout: 30 * time.Second, Logger: zap.NewNop()})
		if err != nil {
			return pace.Client{}, err
		}
		do := func(n int) (err error) {
			if key := fmt.Sprintf("key-%d-%d", i, n%100); n%2 == 0 {
				_, err = c.Put(context.Background(), key, value)
			} else {
				_, err = c.Get(context.Background(), key)
			}
			return err
		}
		return pace.Client{Do: do, Close: func() { c.Close() }}, nil
	})
}
