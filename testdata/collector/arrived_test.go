package collector

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/pprof/profile"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/pprofile"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.opentelemetry.io/collector/receiver/xreceiver"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/mayfly-profiler/mayfly/internal/push"
	"github.com/mayfly-profiler/mayfly/internal/relabel"
	"github.com/mayfly-profiler/mayfly/internal/samples"
	"github.com/mayfly-profiler/mayfly/internal/samples/hostile"
)

var arrived = flag.String("arrived", "", "what the Collector's file exporter wrote of the files behind the flags, as mayfly push sent them")

// sink is what stands behind the receiver.
type sink struct {
	mu   sync.Mutex
	all  []pprofile.Profiles
	next []error // answers, in order; then it takes all
}

func (*sink) Capabilities() consumer.Capabilities { return consumer.Capabilities{} }

func (s *sink) ConsumeProfiles(_ context.Context, p pprofile.Profiles) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.next) > 0 {
		err := s.next[0]
		s.next = s.next[1:]
		return err
	}
	copied := pprofile.NewProfiles()
	p.CopyTo(copied)
	s.all = append(s.all, copied)
	return nil
}

// columns are those of all that arrived.
func (s *sink) columns() Columns {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := make(Columns)
	for _, p := range s.all {
		c.Add(p)
	}
	return c
}

func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// receive runs the Collector's receiver of OTLP, and returns its addresses.
func receive(t *testing.T) (s *sink, addresses []string) {
	t.Helper()
	s = new(sink)
	overHTTP, byGRPC := free(t), free(t)
	factory := otlpreceiver.NewFactory()
	config := factory.CreateDefaultConfig()
	conf := confmap.NewFromStringMap(map[string]any{"protocols": map[string]any{
		"http": map[string]any{"endpoint": overHTTP}, "grpc": map[string]any{"endpoint": byGRPC},
	}})
	if err := conf.Unmarshal(config); err != nil {
		t.Fatal(err)
	}
	r, err := factory.(xreceiver.Factory).CreateProfiles(t.Context(), receivertest.NewNopSettings(factory.Type()), config, s)
	if err != nil {
		t.Fatal(err)
	}
	var host component.Host = componenttest.NewNopHost()
	if err := r.Start(t.Context(), host); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Shutdown(context.Background()) })
	return s, []string{"http://" + overHTTP, "grpc://" + byGRPC}
}

// to is the server at an address.
func to(t *testing.T, address string) *push.Server {
	t.Helper()
	u, err := push.OTLP.Endpoint(address)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	s := &push.Server{Protocol: push.OTLP, URL: u, Timeout: 20 * time.Second, UserAgent: "mayfly/test", Transport: transport}
	if s.ByGRPC() {
		transport.Protocols = new(http.Protocols)
		transport.Protocols.SetUnencryptedHTTP2(true)
	}
	return s
}

func send(t *testing.T, s *push.Server, p *profile.Profile) (push.Result, error) {
	t.Helper()
	encoded, err := s.Encode(p, "")
	if err != nil {
		t.Fatal(err)
	}
	return s.Send(t.Context(), encoded)
}

// Each sample that is sent arrives, over HTTP and by gRPC, with its stack, labels, time and value in each column.
func TestArrives(t *testing.T) {
	all := hostile.Others()
	all["a timeline"] = hostile.New(500, "request")
	for name, p := range all {
		s, addresses := receive(t)
		for _, address := range addresses {
			if r, err := send(t, to(t, address), p); err != nil || r.Tries != 1 || r.Rejected != 0 {
				t.Fatalf("%s, %s: %+v, %v", name, address, r, err)
			}
			if diff := s.columns().Diff(Of(p)); diff != "" {
				t.Errorf("%s, %s: %s", name, address, diff)
			}
			s.all = nil
		}
	}
}

// wide is a profile of many requests: each sample has a label of a thousand bytes.
func wide(n int) *profile.Profile {
	p := hostile.New(n, "request")
	for i, s := range p.Sample {
		s.Label["wide"] = []string{fmt.Sprint(i, strings.Repeat("x", 1000))}
	}
	return p
}

// By gRPC the receiver takes no message of more than 4 MiB: what is larger arrives in several, with the same samples.
func TestLarge(t *testing.T) {
	p := wide(5000)
	s, addresses := receive(t)
	for i, address := range addresses {
		r, err := send(t, to(t, address), p)
		if want := []int{1, 2}[i]; err != nil || r.Arrived != want {
			t.Fatalf("%s: %+v, %v; want %d requests", address, r, err, want)
		}
		if diff := s.columns().Diff(Of(p)); diff != "" {
			t.Errorf("%s: %s", address, diff)
		}
		s.all = nil
	}
	// One sample that is too large by itself is refused at once, and that is said of the profile.
	one := hostile.New(1, "request")
	one.Sample[0].Label["wide"] = []string{strings.Repeat("x", 5<<20)}
	r, err := send(t, to(t, addresses[1]), one)
	if err == nil || r.Tries != 1 || !push.OfProfile(err) || !strings.Contains(err.Error(), "RESOURCE_EXHAUSTED: grpc: received message") {
		t.Errorf("%+v, %v", r, err)
	}
}

// What the pipeline cannot take now is sent again, and what it never takes is an error at once.
func TestRefused(t *testing.T) {
	s, addresses := receive(t)
	for _, address := range addresses {
		s.next = []error{errors.New("busy"), status.Error(codes.Unavailable, "busy")}
		if r, err := send(t, to(t, address), hostile.New(3, "k")); err != nil || r.Tries != 3 {
			t.Errorf("%s: %+v, %v", address, r, err)
		}
		s.next = []error{consumererror.NewPermanent(errors.New("not this one"))}
		r, err := send(t, to(t, address), hostile.New(3, "k"))
		if err == nil || r.Tries != 1 || !push.OfProfile(err) || !strings.HasSuffix(err.Error(), "not this one") {
			t.Errorf("%s: %+v, %v", address, r, err)
		}
	}
}

// TestFile holds what the Collector wrote against the files that were sent: go test -run TestFile -arrived x.json a.pb.gz b.pb.gz.
func TestFile(t *testing.T) {
	if *arrived == "" {
		t.Skip("no -arrived")
	}
	got, want := make(Columns), make(Columns)
	b, err := os.ReadFile(*arrived)
	if err != nil {
		t.Fatal(err)
	}
	if err := got.Read(bytes.NewReader(b)); err != nil {
		t.Fatal(err)
	}
	for _, path := range flag.Args() {
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		p, err := samples.Read(file, path)
		if err != nil {
			t.Fatal(err)
		}
		rules := relabel.Default()
		p, _ = rules.Apply(p)
		for column, all := range Of(p) {
			want.add(column, "", 0)
			for sample, n := range all {
				want.add(column, sample, n)
			}
		}
	}
	for column := range want {
		sum, n := got.Sum(column)
		wantSum, wantN := want.Sum(column)
		t.Logf("%s: %d in %d samples arrived, %d in %d were sent", column, sum, n, wantSum, wantN)
	}
	if diff := got.Diff(want); diff != "" {
		t.Error(diff)
	}
}
