// Command shapes is many small services on libraries of other people, chosen by -shape, each with a
// reason why some of its requests are slow, or with none. truth.json has the reason: what `mayfly
// report` has to find.
//
// The clients, what the service calls, and a neighbour are this executable once more (-be), each as
// a process of its own, on loopback. The service prints where its net/http/pprof is, "ready
// pprof=ADDR", and -pprof=false leaves it without one.
//
// Truth: what each address that the service calls is named, and each answer as its client saw it.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"net"
	"net/http"
	_ "net/http/pprof"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/mayfly-profiler/mayfly/testdata/shapes/run"
	"github.com/mayfly-profiler/mayfly/testdata/shapes/world"
)

var (
	name = flag.String("shape", "", "which service: "+strings.Join(slices.Sorted(maps.Keys(shapes)), ", "))
	prof = flag.Bool("pprof", true, "serve net/http/pprof")
	dsn  = flag.String("dsn", "", "PostgreSQL, for the shapes that need one")
	be   = flag.String("be", "", "be a part of the world: clients, upstreams, neighbour, locker or stopper")
	load = flag.String("load", "", "what the clients do, in JSON")
	file = flag.String("file", "", "what the locker locks")
)

// shape is a service and its clients.
type shape struct {
	serve  func(*env, net.Listener) error
	load   world.Load
	procs  int    // GOMAXPROCS
	beside string // a part of the world that does no good
}

// warmUp is how long the load runs before the service is ready: connections are open then.
const warmUp = 1500 * time.Millisecond

func main() {
	flag.Parse()
	if *be != "" {
		run.Check(part())
		return
	}
	s, ok := shapes[*name]
	if !ok {
		run.Check(fmt.Errorf("shapes: no shape %q", *name))
	}
	if s.procs > 0 {
		runtime.GOMAXPROCS(s.procs)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	run.Check(err)
	e := &env{addr: l.Addr().String(), peers: map[string]string{}}
	_, err = e.start("upstreams", &e.peers)
	run.Check(err)
	e.peers["client"], _, _ = net.SplitHostPort(e.addr)
	go func() { run.Check(s.serve(e, l)) }()
	clients := e.clients(s.load)
	if s.beside != "" {
		_, err := e.start(s.beside, nil)
		run.Check(err)
	}
	time.Sleep(warmUp)
	run.Ready("pprof=" + debugServer())
	run.Wait()
	t := run.Measure()
	t["shape"], t["peers"] = *name, e.peers
	t["answers"], err = clients.answers()
	run.Check(err)
	run.Truth(t)
}

// debugServer serves net/http/pprof where the clients do not come.
func debugServer() (addr string) {
	if !*prof {
		return ""
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	run.Check(err)
	go http.Serve(l, nil)
	return l.Addr().String()
}

// part is one of the other processes. It ends when its standard input does.
func part() error {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		run.Wait()
		cancel()
	}()
	switch *be {
	case "clients":
		var l world.Load
		if err := json.Unmarshal([]byte(*load), &l); err != nil {
			return err
		}
		fmt.Println("{}")
		return l.Run(ctx, os.Stdout)
	case "upstreams":
		addrs, err := world.Upstreams()
		if err != nil {
			return err
		}
		err = json.NewEncoder(os.Stdout).Encode(addrs)
		<-ctx.Done()
		return err
	case "neighbour":
		fmt.Println("{}")
		world.Neighbour(ctx, 3*runtime.NumCPU())
		return nil
	case "locker":
		fmt.Println("{}")
		return world.Lock(ctx, *file)
	case "stopper":
		fmt.Println("{}")
		world.Stop(ctx)
		return nil
	}
	return errors.New("shapes: no such part of the world")
}
