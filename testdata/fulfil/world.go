package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"
)

// The world around the service: the carrier, the customers, and for one cause a neighbour that
// wants all CPUs. The load is open-loop: requests leave when they are due, whether or not earlier
// ones have come back. A closed loop would send less exactly while the service is slow.

const (
	burstEvery  = 900 * time.Millisecond
	initechs    = 30 // one order in so many is by initech
	maxInFlight = 2000
	neighbours  = 20 // threads' worth
)

// live is the world until standard input ends.
func live(service string) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go http.Serve(l, carrier())
	fmt.Println("http://" + l.Addr().String())
	in := bufio.NewReader(os.Stdin)
	if _, err := in.ReadString('\n'); err != nil {
		return err
	}
	w := &customers{url: service, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}},
		free: make(chan struct{}, maxInFlight), initech: initechs}
	switch *why {
	case "twice":
		*rate *= 2
		*burst *= 2
	case "gc": // nearly all orders in bursts: the collector has to keep up with them, and can between them
		*rate /= 4
	case "cpu":
		w.initech = 3 * initechs / 2
	case "neighbour":
		time.AfterFunc(*late, func() {
			for range neighbours {
				startNeighbour()
			}
		})
	}
	go w.send(1, *rate, w.order)
	go w.send(2, 2**rate, w.status)
	go w.bursts()
	_, err = io.Copy(io.Discard, in)
	return err
}

// carrier answers after a while, as carriers do.
func carrier() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/quote", func(http.ResponseWriter, *http.Request) { time.Sleep(2 * time.Millisecond) })
	mux.HandleFunc("/book", func(http.ResponseWriter, *http.Request) { time.Sleep(14 * time.Millisecond) })
	return mux
}

type customers struct {
	url     string
	client  *http.Client
	free    chan struct{}
	initech int64 // one order in so many is by initech
	orders  atomic.Int64
}

// send sends requests at exponentially distributed intervals.
func (c *customers) send(seed uint64, perSecond float64, make func(*rand.Rand) *http.Request) {
	rng := rand.New(rand.NewPCG(seed, 6))
	for next := time.Now(); ; {
		next = next.Add(time.Duration(rng.ExpFloat64() / perSecond * float64(time.Second)))
		time.Sleep(time.Until(next))
		c.start(make(rng))
	}
}

func (c *customers) bursts() {
	rng := rand.New(rand.NewPCG(3, 6))
	for range time.Tick(burstEvery) {
		for range *burst {
			c.start(c.order(rng))
		}
	}
}

// start sends a request, unless too many are under way.
func (c *customers) start(r *http.Request) {
	select {
	case c.free <- struct{}{}:
	default:
		return
	}
	go func() {
		defer func() { <-c.free }()
		resp, err := c.client.Do(r)
		if err != nil {
			return
		}
		defer resp.Body.Close()
		io.Copy(io.Discard, resp.Body)
	}()
}

// order is of 3 to 6 articles. Those by initech are counted out, not drawn: by chance there can be
// twice as many in a minute, or none.
func (c *customers) order(rng *rand.Rand) *http.Request {
	o := order{Tenant: []string{"acme", "globex"}[rng.IntN(2)]}
	if c.orders.Add(1)%c.initech == 0 {
		o.Tenant = "initech"
	}
	for range 3 + rng.IntN(4) {
		o.SKUs = append(o.SKUs, rng.Int64N(skus))
	}
	body, _ := json.Marshal(o)
	r, _ := http.NewRequestWithContext(context.Background(), http.MethodPost, c.url+"/fulfil", bytes.NewReader(body))
	return r
}

func (c *customers) status(*rand.Rand) *http.Request {
	return mustRequest(context.Background(), c.url+"/status")
}
