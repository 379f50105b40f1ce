package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/origin"
	"github.com/mayfly-profiler/mayfly/internal/when"
	"github.com/mayfly-profiler/mayfly/profiler"
)

// Triggers of the flight recorder that come from outside: signals, and POST /dump. Whoever can reach the endpoint
// can have mayfly write files, so by default it is a unix socket that only its owner can open.

// listen waits for triggers from outside. stop ends it.
func (fl *flight) listen(ctx context.Context) (stop func(), err error) {
	var stops []func()
	stop = func() {
		for _, s := range stops {
			s()
		}
	}
	for _, on := range fl.flags.ring.on {
		kind, addr, _ := strings.Cut(on, "=")
		switch kind {
		case "exit":
			fl.exit = true
		case "http":
			s, err := fl.serve(addr)
			if err != nil {
				stop()
				return nil, err
			}
			stops = append(stops, s)
		default:
			stops = append(stops, fl.signals(ctx))
		}
	}
	return stop, nil
}

// signals takes each trigger signal that mayfly itself gets for a trigger.
func (fl *flight) signals(ctx context.Context) (stop func()) {
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, triggerSignal)
	fl.env.say("kill -USR2 %d writes the window", os.Getpid())
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-ch:
				if next, ok := fl.ring.Trigger(time.Now(), triggerSignalName, triggerSignalName); !ok {
					fl.env.say("%s: not again before %s", triggerSignalName, next.Format(time.TimeOnly))
				}
			}
		}
	}()
	return func() { signal.Stop(ch) }
}

// serve answers POST /dump at addr: a path, or host and port. Without addr it is a unix socket in a folder of its own.
func (fl *flight) serve(addr string) (stop func(), err error) {
	l, curl, err := listenTrigger(addr)
	if err != nil {
		return nil, fmt.Errorf("listen for triggers: %w (--on http=/SOCKET or http=HOST:PORT takes another address)", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /dump", fl.dump)
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 5 * time.Second, WriteTimeout: 5 * time.Second,
		MaxHeaderBytes: 16 << 10}
	fl.env.say("curl -X POST %s writes the window", curl)
	go s.Serve(l)
	return func() {
		s.Close()
		if addr == "" {
			os.RemoveAll(filepath.Dir(l.Addr().String()))
		}
	}, nil
}

// listenTrigger listens, and says what curl wants to know.
func listenTrigger(addr string) (l net.Listener, curl string, err error) {
	if addr == "" {
		dir, err := os.MkdirTemp("", "mayfly-") // 0700
		if err != nil {
			return nil, "", err
		}
		addr = filepath.Join(dir, "trigger.sock")
	}
	if strings.HasPrefix(addr, "/") {
		l, err = listenPrivate(addr)
		return l, "--unix-socket " + addr + " http://localhost/dump", err
	}
	l, err = net.Listen("tcp", addr)
	if err != nil {
		return nil, "", err
	}
	return l, "http://" + l.Addr().String() + "/dump", nil
}

// dump answers a trigger by HTTP.
func (fl *flight) dump(w http.ResponseWriter, r *http.Request) {
	if err := cmp.Or(origin.Site(r), origin.Host(r)); err != nil {
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	now := time.Now()
	next, ok := fl.ring.Trigger(now, "http", "http "+r.RemoteAddr)
	if !ok {
		w.Header().Set("Retry-After", strconv.Itoa(int(time.Until(next).Seconds())+1))
		http.Error(w, "not again before "+next.UTC().Format(time.RFC3339), http.StatusTooManyRequests)
		return
	}
	w.WriteHeader(http.StatusAccepted)
	io.WriteString(w, fmt.Sprintf("the window is written %s from now\n", &fl.flags.ring.after))
}

// flight is a flight recorder under way.
type flight struct {
	env   *env
	flags *recordFlags
	ring  *profiler.Ring
	watch *when.Watch // nil: no condition
	exit  bool        // the end of the target is a trigger
	ended string      // why the last slice ended
	file  func(time.Time) string
	files []string // that were written and not removed again, the oldest first
	most  int      // goroutines of the target that a slice had

	writing sync.WaitGroup // one at most
}
