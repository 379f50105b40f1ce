package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// The load is open-loop: requests leave at the times that the seed says, whether or not earlier
// ones have come back, and latency counts from the time that a request should have left. A
// closed loop would send less exactly while the service is slow, and so hide the slowness.

// Rates for each CPU of size, in requests a second.
const (
	ordersPerCPU   = 11
	statusesPerCPU = 25
	maxInFlight    = 1000
)

// Load says what to send and where. Only URL is needed.
type Load struct {
	URL    string    // of the service, as Ready tells it
	Parent io.Reader // see Options
	Out    io.Writer // receives a Driven as one line of JSON at the end; nil drops it
	Seed   uint64
}

// Driven is what the client side saw.
type Driven struct {
	DurationNS int64              `json:"duration_ns"`
	Requests   map[string]Latency `json:"requests"` // by endpoint, from the intended start
	Errors     int64              `json:"errors"`
	Dropped    int64              `json:"dropped"` // not sent, because too many were in flight
}

// Drive sends orders and status requests until ctx ends or the parent closes its end; both are
// a success.
func Drive(ctx context.Context, o Load) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watchParent(o.Parent, cancel)
	d := &driver{url: o.URL, client: &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true},
		Timeout:   10 * time.Second,
	}}
	defer d.client.CloseIdleConnections()
	start := time.Now()
	var senders sync.WaitGroup
	for i, kind := range []struct {
		perSecond int
		latency   *histogram
		request   func(*rand.Rand, uint64) (*http.Request, error)
	}{
		{ordersPerCPU * size(), &d.orders, d.order},
		{statusesPerCPU * size(), &d.statuses, d.status},
	} {
		rng := newRand(o.Seed, uint64(100+i))
		senders.Go(func() { d.send(ctx, rng, kind.perSecond, kind.latency, kind.request) })
	}
	senders.Wait()
	d.inFlight.Wait()
	return printLine(o.Out, Driven{
		DurationNS: int64(time.Since(start)),
		Requests:   map[string]Latency{"/fulfil": d.orders.latency(), "/status": d.statuses.latency()},
		Errors:     d.errors.Load(),
		Dropped:    d.dropped.Load(),
	})
}

type driver struct {
	url              string
	client           *http.Client
	inFlight         sync.WaitGroup
	flying           atomic.Int64
	errors, dropped  atomic.Int64
	orders, statuses histogram
}

// send sends requests at exponentially distributed intervals.
func (d *driver) send(ctx context.Context, rng *rand.Rand, perSecond int, latency *histogram,
	request func(*rand.Rand, uint64) (*http.Request, error)) {
	next := time.Now()
	for id := uint64(1); ; id++ {
		next = next.Add(time.Duration(rng.ExpFloat64() / float64(perSecond) * float64(time.Second)))
		req, err := request(rng, id)
		if err != nil {
			d.errors.Add(1)
		}
		if !sleep(ctx, time.Until(next)) {
			return
		}
		if err != nil {
			continue
		}
		if d.flying.Load() >= maxInFlight {
			d.dropped.Add(1)
			continue
		}
		d.flying.Add(1)
		intended := next
		d.inFlight.Go(func() {
			defer d.flying.Add(-1)
			if d.do(req.WithContext(ctx)) {
				latency.add(time.Since(intended))
			} else if ctx.Err() == nil {
				d.errors.Add(1)
			}
		})
	}
}

// do says whether the request was answered well.
func (d *driver) do(req *http.Request) bool {
	resp, err := d.client.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err == nil && resp.StatusCode == http.StatusOK
}

// order makes an order of 5 to 20 lines; the large tenant's are the long ones.
func (d *driver) order(rng *rand.Rand, id uint64) (*http.Request, error) {
	o := Order{ID: id, Tenant: pickTenant(rng)}
	n := minLines + rng.IntN((maxLines-minLines)/2)
	if o.Tenant == tenants[0].name {
		n = maxLines - rng.IntN((maxLines-minLines)/2)
	}
	for range n {
		o.Lines = append(o.Lines, Line{SKU: rng.Uint32N(skus), Quantity: 1 + rng.Uint64N(5)})
	}
	body, err := json.Marshal(o)
	if err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	return http.NewRequest(http.MethodPost, d.url+"/fulfil", bytes.NewReader(body))
}

func (d *driver) status(rng *rand.Rand, _ uint64) (*http.Request, error) {
	return http.NewRequest(http.MethodGet, d.url+"/status?tenant="+pickTenant(rng), nil)
}

// pickTenant draws a tenant by its share.
func pickTenant(rng *rand.Rand) string {
	x := rng.Float64()
	for _, t := range tenants {
		if x < t.share {
			return t.name
		}
		x -= t.share
	}
	return tenants[len(tenants)-1].name
}
