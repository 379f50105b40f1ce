package main

import (
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/gorilla/websocket"
)

// serverSentEvents has events beside the pages.
func serverSentEvents(e *env, l net.Listener) error {
	mux := http.NewServeMux()
	mux.Handle("/", newReports(e).handler())
	mux.HandleFunc("/events", events)
	return http.Serve(l, mux)
}

//go:noinline
func events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-r.Context().Done():
			return
		case <-tick.C:
			fmt.Fprintf(w, "data: %d\n\n", n)
			w.(http.Flusher).Flush()
		}
	}
}

func webSocket(e *env, l net.Listener) error {
	mux := http.NewServeMux()
	mux.Handle("/", newReports(e).handler())
	mux.HandleFunc("/talk", talk)
	return http.Serve(l, mux)
}

var upgrader websocket.Upgrader

//go:noinline
func talk(w http.ResponseWriter, r *http.Request) {
	c, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer c.Close()
	for {
		kind, word, err := c.ReadMessage()
		if err != nil || c.WriteMessage(kind, word) != nil {
			return
		}
	}
}
