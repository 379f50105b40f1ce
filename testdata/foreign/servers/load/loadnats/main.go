// Command loadnats sends requests that another connection of its own answers.
package main

import (
	"flag"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/mayfly-profiler/mayfly/testdata/foreign/servers/pace"
)

func main() {
	flag.Parse()
	pace.Run(func(i int) (pace.Client, error) {
		server, err := nats.Connect("nats://" + *pace.Addr)
		if err != nil {
			return pace.Client{}, err
		}
		subject := fmt.Sprintf("load.%d", i)
		if _, err := server.Subscribe(subject, func(m *nats.Msg) { m.Respond(m.Data) }); err != nil {
			return pace.Client{}, err
		}
		client, err := nats.Connect("nats://" + *pace.Addr)
		if err != nil {
			return pace.Client{}, err
		}
		do := func(int) error {
			_, err := client.Request(subject, make([]byte, 256), 10*time.Second)
			return err
		}
		return pace.Client{Do: do, Close: func() { client.Close(); server.Close() }}, server.Flush()
	})
}
