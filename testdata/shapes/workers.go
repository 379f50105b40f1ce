package main

import (
	"context"
	"net/http"
	"sync"
)

// jobs are done by two goroutines, which take them from a channel.
type jobs struct {
	queue  chan job
	client *http.Client
	url    string
}

type job struct{ done chan error }

func (j *jobs) do() error {
	it := job{make(chan error, 1)}
	j.queue <- it
	return <-it.done
}

func (j *jobs) work() {
	for it := range j.queue {
		it.done <- j.convert()
	}
}

//go:noinline
func (j *jobs) convert() error {
	_, err := ask(context.Background(), j.client, j.url)
	return err
}

func workerPool(e *env) http.HandlerFunc {
	j := &jobs{make(chan job, 100), client(), e.url("http", 50)}
	for range 2 {
		go j.work()
	}
	return func(w http.ResponseWriter, r *http.Request) { reply(w, j.do()) }
}

// prints are done one after the other, from a queue with a condition.
type prints struct {
	mu     sync.Mutex
	cond   *sync.Cond
	queue  []*sheet
	client *http.Client
	url    string
}

type sheet struct{ done bool }

func (p *prints) print() {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := new(sheet)
	p.queue = append(p.queue, s)
	p.cond.Broadcast()
	for !s.done {
		p.cond.Wait()
	}
}

func (p *prints) work() {
	p.mu.Lock()
	for {
		for len(p.queue) == 0 {
			p.cond.Wait()
		}
		s := p.queue[0]
		p.queue = p.queue[1:]
		p.mu.Unlock()
		p.press()
		p.mu.Lock()
		s.done = true
		p.cond.Broadcast()
	}
}

//go:noinline
func (p *prints) press() { ask(context.Background(), p.client, p.url) }

func condQueue(e *env) http.HandlerFunc {
	p := &prints{client: client(), url: e.url("http", 25)}
	p.cond = sync.NewCond(&p.mu)
	go p.work()
	return func(w http.ResponseWriter, r *http.Request) {
		p.print()
		reply(w, nil)
	}
}
