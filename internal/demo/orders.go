package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"runtime/pprof"
	"sync"
	"time"
)

// Limits of an order, of what Drive sends and of what fulfil accepts.
const (
	minLines, maxLines = 5, 20
	maxOrderBytes      = 64 << 10
)

// Order is the body of POST /fulfil.
type Order struct {
	ID     uint64 `json:"id"`
	Tenant string `json:"tenant"`
	Lines  []Line `json:"lines"`
}

// Line is one article of an order.
type Line struct {
	SKU      uint32 `json:"sku"`
	Quantity uint64 `json:"quantity"`
}

// Receipt answers an order.
type Receipt struct {
	ID    uint64        `json:"id"`
	Lines []ReceiptLine `json:"lines"`
}

// ReceiptLine is what became of one line.
type ReceiptLine struct {
	SKU  uint32 `json:"sku"`
	Left uint64 `json:"left"`
	Seal string `json:"seal"`
}

// fulfil handles an order: one short goroutine for each line, and the answer when all are done.
func (s *service) fulfil(w http.ResponseWriter, r *http.Request) {
	var order Order
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxOrderBytes)).Decode(&order); err != nil {
		http.Error(w, "fulfil: "+err.Error(), http.StatusBadRequest)
		return
	}
	if n := len(order.Lines); n == 0 || n > maxLines {
		http.Error(w, fmt.Sprintf("fulfil: %d lines, want 1 to %d", n, maxLines), http.StatusBadRequest)
		return
	}
	var receipt Receipt
	var err error
	pprof.Do(r.Context(), pprof.Labels("endpoint", "/fulfil", "tenant", tenantName(order.Tenant)), func(context.Context) {
		start := time.Now()
		receipt, err = s.pick(order)
		s.truth.request("/fulfil", tenantName(order.Tenant), time.Since(start))
	})
	if err != nil {
		http.Error(w, "fulfil: "+err.Error(), http.StatusInternalServerError)
		return
	}
	reply(w, receipt)
}

// pick has all lines of the order picked at once. The goroutines inherit the labels.
func (s *service) pick(order Order) (Receipt, error) {
	receipt := Receipt{ID: order.ID, Lines: make([]ReceiptLine, len(order.Lines))}
	errs := make([]error, len(order.Lines))
	var wg sync.WaitGroup
	for i, line := range order.Lines {
		wg.Go(func() {
			s.truth.openLines.Add(1)
			defer s.truth.openLines.Add(-1)
			start := time.Now()
			receipt.Lines[i], errs[i] = s.pickLine(order.ID, line)
			s.truth.line(time.Since(start))
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return Receipt{}, err
		}
	}
	return receipt, nil
}

// pickLine looks at the stock, prices the line, reserves the pieces and seals the slip.
func (s *service) pickLine(order uint64, line Line) (ReceiptLine, error) {
	level, err := s.store.level(line.SKU)
	if err != nil {
		return ReceiptLine{}, err
	}
	// 0.9 to 1.8 ms of CPU, depending on the article: half for the price, half for the seal.
	effort := 900*time.Microsecond + time.Duration(line.SKU%10)*100*time.Microsecond
	s.kernels.price.do(level+line.Quantity, effort/2)
	start := time.Now()
	left, err := s.store.reserve(line.SKU, line.Quantity)
	s.truth.reserved(time.Since(start))
	if err != nil {
		return ReceiptLine{}, err
	}
	slip, err := json.Marshal(ReceiptLine{SKU: line.SKU, Left: left})
	if err != nil {
		return ReceiptLine{}, err
	}
	s.kernels.seal.do(order+uint64(len(slip)), effort/2)
	return ReceiptLine{SKU: line.SKU, Left: left, Seal: fmt.Sprintf("%x", order^left)}, nil
}

// status is the light endpoint: a read of a few pages.
func (s *service) status(w http.ResponseWriter, r *http.Request) {
	tenant := tenantName(r.URL.Query().Get("tenant"))
	pprof.Do(r.Context(), pprof.Labels("endpoint", "/status", "tenant", tenant), func(context.Context) {
		start := time.Now()
		articles, empty, err := s.store.total()
		s.truth.request("/status", tenant, time.Since(start))
		if err != nil {
			http.Error(w, "status: "+err.Error(), http.StatusInternalServerError)
			return
		}
		reply(w, map[string]int{"articles": articles, "empty": empty})
	})
}

// tenants are the customers, from the one with most orders to the one with fewest.
var tenants = [...]struct {
	name  string
	share float64 // of all requests
}{{"acme", 0.6}, {"globex", 0.3}, {"initech", 0.1}}

// tenantName maps what a client sent to one of the tenants, so that label values stay few.
func tenantName(s string) string {
	for _, t := range tenants {
		if t.name == s {
			return s
		}
	}
	return "other"
}
