package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/mayfly-profiler/mayfly/testdata/shapes/run"
)

// profiles is a cache of one entry, which is good for a second.
type profiles struct {
	group  singleflight.Group
	client *http.Client
	url    string
	mu     sync.Mutex
	good   time.Time
}

func (p *profiles) get(ctx context.Context) error {
	p.mu.Lock()
	hit := time.Now().Before(p.good)
	p.mu.Unlock()
	if hit {
		return nil
	}
	_, err, _ := p.group.Do("profile", func() (any, error) { return nil, p.load() })
	return err
}

//go:noinline
func (p *profiles) load() error {
	_, err := ask(context.Background(), p.client, p.url)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.good = time.Now().Add(time.Second)
	return err
}

func flight(e *env) http.HandlerFunc {
	p := &profiles{client: client(), url: e.url("http", 300)}
	return func(w http.ResponseWriter, r *http.Request) { reply(w, p.get(r.Context())) }
}

// tenants are loaded when they first come, and then known: one new one a second.
type tenants struct {
	all    sync.Map
	client *http.Client
	url    string
}

type tenant struct {
	once sync.Once
	err  error
}

func (t *tenants) find(name string) error {
	x, _ := t.all.LoadOrStore(name, new(tenant))
	found := x.(*tenant)
	found.once.Do(func() { found.err = t.load() })
	return found.err
}

//go:noinline
func (t *tenants) load() error {
	_, err := ask(context.Background(), t.client, t.url)
	return err
}

func slowOnce(e *env) http.HandlerFunc {
	t := &tenants{client: client(), url: e.url("http", 250)}
	return func(w http.ResponseWriter, r *http.Request) { reply(w, t.find(fmt.Sprint(time.Now().Unix()))) }
}

// wal is a log whose entries are on disk when write returns: one of those that wait writes for all.
type wal struct {
	mu      sync.Mutex
	file    *os.File
	pending *group
	busy    bool
}

type group struct {
	entries []byte
	done    sync.WaitGroup
}

func (w *wal) write(entry []byte) {
	w.mu.Lock()
	if w.pending == nil {
		w.pending = new(group)
		w.pending.done.Add(1)
	}
	g := w.pending
	g.entries = append(g.entries, entry...)
	lead := !w.busy
	w.busy = true
	w.mu.Unlock()
	if lead {
		w.lead()
	}
	g.done.Wait()
}

func (w *wal) lead() {
	for {
		w.mu.Lock()
		g := w.pending
		w.pending = nil
		if g == nil {
			w.busy = false
			w.mu.Unlock()
			return
		}
		w.mu.Unlock()
		w.sync(g)
		g.done.Done()
	}
}

// sync writes the entries in parts, each of which has to be on disk before the next: so many that no disk is too fast to be late.
//
//go:noinline
func (w *wal) sync(g *group) {
	for begin := time.Now(); time.Since(begin) < 80*time.Millisecond; {
		w.file.WriteAt(g.entries, 0)
		w.file.Sync()
	}
}

func groupCommit(*env) http.HandlerFunc {
	w := &wal{file: scratch()}
	return func(rw http.ResponseWriter, r *http.Request) {
		w.write([]byte(r.URL.Path))
		reply(rw, nil)
	}
}

// scratch is a file that has no name any more.
func scratch() *os.File {
	f, err := os.CreateTemp("", "mayfly-shapes-")
	run.Check(err)
	run.Check(os.Remove(f.Name()))
	return f
}

// journal is a file that each request syncs for itself, those that are large again and again, however fast the disk is.
type journal struct{ file *os.File }

//go:noinline
func (j *journal) append(large bool) error {
	for begin := time.Now(); ; {
		if _, err := j.file.WriteAt(make([]byte, 4<<10), 0); err != nil {
			return err
		}
		if err := j.file.Sync(); err != nil || !large || time.Since(begin) > 120*time.Millisecond {
			return err
		}
	}
}

func fsync(*env) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		j := &journal{scratch()}
		defer j.file.Close()
		reply(w, j.append(isLarge(r)))
	}
}
