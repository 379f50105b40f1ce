package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/printable"
	"github.com/mayfly-profiler/mayfly/internal/push"
)

// queuePause is for how long a watch waits until it tries to send what is left.
const queuePause = time.Minute

// queueLimit is a flag: how much waits for a server that is away, as a number of recordings or in bytes.
type queueLimit struct {
	diskLimit
	off bool // nothing does
}

func (q *queueLimit) String() string {
	if q.off {
		return "0"
	}
	return q.diskLimit.String()
}

// Set parses s.
func (q *queueLimit) Set(s string) error {
	if q.off = strings.TrimSpace(s) == "0"; q.off {
		q.diskLimit = diskLimit{}
		return nil
	}
	if q.diskLimit.Set(s) != nil {
		return fmt.Errorf("%q is neither a number of recordings nor a size as 64MiB, nor 0 for no queue", s)
	}
	return nil
}

// backlog is a folder in which recordings wait for a server that is away. What is sent is written first and removed when it has arrived:
// who dies in between sends it twice, and loses nothing.
type backlog struct {
	env    *env
	dir    string
	limit  queueLimit
	server *push.Server

	command string        // whose it is
	many    bool          // recordings: what becomes of each is not said
	fresh   chan struct{} // has room for the news that there is something to send

	sending sync.Mutex      // one at a time: in order, and with the memory of one
	away    bool            // the last that was sent did not arrive
	skip    map[string]bool // files that are not to be sent again, or not at all

	files   sync.Mutex // for no longer than files take
	held    ledger
	current string // the recording that is being sent
	latest  string // the file that was written last and has not been sent behind the others, "" for none
	dropped waiting
	sent    int // requests that arrived
	failed  int // times that the server did not take what was sent

	down atomic.Bool // away, for who does not send
}

// waiting is how much waits, or did.
type waiting struct {
	recordings int
	bytes      int64
}

func (w *waiting) add(bytes int64) {
	w.recordings++
	w.bytes += bytes
}

func (w waiting) String() string {
	return fmt.Sprintf("%d %s, %s", w.recordings, plural(w.recordings, "recording", "recordings"), size(int(w.bytes)))
}

// newBacklog is the one of a watch; nil if that sends nothing.
func newBacklog(e *env, f *watchFlags, s *store) *backlog {
	if f.push.server == nil {
		return nil
	}
	return &backlog{env: e, dir: filepath.Join(s.dir, "queue"), limit: f.queue, server: f.push.server, skip: make(map[string]bool),
		command: "watch", fresh: make(chan struct{}, 1)}
}

// start sends what is fresh or left beside a watch, until that calls stop. What is fresh by then is tried once.
func (q *backlog) start(ctx context.Context) (stop func()) {
	if q == nil || q.limit.off {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	ticker := time.NewTicker(queuePause)
	var running sync.WaitGroup
	running.Go(func() { q.run(ctx, ticker.C) })
	return func() {
		cancel()
		ticker.Stop()
		running.Wait()
		if name := q.takeLatest(); name != "" {
			q.drain(context.WithoutCancel(ctx), name)
		}
	}
}

// run sends what is left of watches before, what is fresh, and what is left at each tick, until ctx ends. Of many recordings what is fresh
// waits for a tick while the server is away.
func (q *backlog) run(ctx context.Context, tick <-chan time.Time) {
	for q.drain(ctx, ""); ; {
		fresh := q.fresh
		if q.many && q.away { // only this goroutine finds that out where there is something fresh
			fresh = nil
		}
		select {
		case <-fresh:
			if name := q.takeLatest(); name != "" {
				q.drain(context.WithoutCancel(ctx), name) // a breach is tried also when the watch ends
			} else {
				q.drain(ctx, "")
			}
		case <-tick:
			q.drain(ctx, "")
		case <-ctx.Done():
			return
		}
	}
}

// takeLatest is the file that is to be sent behind the others, once.
func (q *backlog) takeLatest() (name string) {
	q.files.Lock()
	defer q.files.Unlock()
	name, q.latest = q.latest, ""
	return name
}

// send has a recording sent behind those that wait, by who sends beside the watch: a server that is away would keep that from the next
// breach. What has no room in the queue is sent at once. That this fails is said, and is no reason to stop watching.
func (q *backlog) send(ctx context.Context, o *outgoing, stem string) {
	err := errNoQueue
	if !q.limit.off && !q.limit.exceeded(1, int64(o.Bytes+o.Requests<<10)) { // what is written besides is less than 1 KiB
		err = q.keep(o, stem)
	}
	if err == nil {
		q.files.Lock()
		q.latest = o.File
		q.files.Unlock()
		q.wake()
		return
	}
	if err != errNoQueue {
		q.env.warn("%s", oneLine(err.Error()))
	}
	q.sending.Lock()
	defer q.sending.Unlock()
	if err := o.send(ctx, q.env, q.server); err != nil {
		q.env.warn("push %s: %s", o.File, printable.Line(err.Error()))
		q.drop(int64(o.Bytes))
	}
}

// put leaves a recording to who sends beside it.
func (q *backlog) put(o *outgoing, stem string) error {
	if q.limit.exceeded(1, int64(o.Bytes+o.Requests<<10)) {
		q.drop(int64(o.Bytes))
		return nil
	}
	if err := q.keep(o, stem); err != nil {
		q.drop(int64(o.Bytes))
		return err
	}
	q.wake()
	return nil
}

// wake has who sends know that there is something to send.
func (q *backlog) wake() {
	select {
	case q.fresh <- struct{}{}:
	default:
	}
}

// errNoQueue is that a recording has no room in the queue, whatever else is in it.
var errNoQueue = errors.New("no queue")

// keep writes a recording to the queue, each of its requests as a file, or none of them.
func (q *backlog) keep(o *outgoing, stem string) error {
	q.files.Lock()
	defer q.files.Unlock()
	folder, err := makeFolder(q.env, q.dir)
	if err != nil {
		return writeError(q.dir, err)
	}
	defer folder.Close()
	bytes := int64(0)
	for i, p := range o.encoded.Split() {
		to := output{filepath.Join(q.dir, queueName(stem, i)), binaryData}
		if err = writeOutput(q.env, to, func(w io.Writer) error { return q.server.Keep(w, p) }); err != nil {
			for ; i > 0; i-- {
				_ = folder.Remove(queueName(stem, i-1)) // or it may arrive twice
			}
			return err
		}
		if st, err := folder.Lstat(queueName(stem, i)); err == nil {
			bytes += st.Size()
		}
	}
	q.held.add(bytes)
	if err = q.prune(); err != nil {
		q.env.warn("%s", oneLine(err.Error()))
	}
	return nil
}

// drop counts a recording that had no room.
func (q *backlog) drop(bytes int64) {
	q.files.Lock()
	defer q.files.Unlock()
	q.dropped.add(bytes)
}

// drain sends what waits, in order, until one does not arrive. The new one, "" for none, has just been written.
func (q *backlog) drain(ctx context.Context, fresh string) {
	q.sending.Lock()
	defer q.sending.Unlock()
	folder, err := openQueue(q.env, q.dir)
	if err != nil {
		q.env.warn("%s", oneLine(err.Error()))
		return
	}
	defer folder.Close()
	for _, name := range folder.foreign {
		q.leave(name, errNotOurs.Error())
	}
	for _, r := range folder.list {
		if err = q.sendAll(ctx, folder, r); err != nil {
			break
		}
	}
	switch {
	case err == nil, ctx.Err() != nil: // what is left is said at the end
	case fresh != "":
		q.env.warn("push %s: %s; it waits in %s", fresh, printable.Line(err.Error()), q.dir)
	case !q.away:
		q.env.warn("push: %s; what is in %s waits", printable.Line(err.Error()), q.dir)
	}
	q.away = err != nil
	q.down.Store(q.away)
}

// sendAll sends what is left of a recording. An error is that the server is away.
func (q *backlog) sendAll(ctx context.Context, folder *queueFolder, r queued) error {
	q.hold(r.stem)
	defer q.hold("")
	for _, name := range r.names {
		if q.skip[name] {
			continue
		}
		if err := q.sendFile(ctx, folder, name); err != nil {
			return err
		}
	}
	return nil
}

// hold has a recording stay where it is.
func (q *backlog) hold(stem string) {
	q.files.Lock()
	defer q.files.Unlock()
	q.current = stem
}

func (q *backlog) sendFile(ctx context.Context, folder *queueFolder, name string) error {
	p, err := folder.read(q.env, q.server, name)
	switch {
	case errors.Is(err, fs.ErrNotExist): // dropped
		return nil
	case errors.Is(err, push.ErrOther):
		q.leave(name, err.Error())
		return nil
	case err != nil:
		q.setAside(folder, name, err)
		return nil
	}
	o := outgoingOf(filepath.Join(filepath.Dir(q.dir), ofQueue.FindStringSubmatch(name)[1]+".pb.gz"), p)
	err = o.send(ctx, q.env, q.server)
	q.count(err == nil)
	switch {
	case o.Rejected > 0:
		q.env.warn("push %s: %s", o.File, printable.Line(err.Error()))
	case push.OfProfile(err):
		q.setAside(folder, name, err)
		return nil
	case err != nil:
		return err
	}
	if err = folder.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		q.leave(name, "has arrived, and cannot be removed: "+cause(err).Error())
	}
	return nil
}

func (q *backlog) count(arrived bool) {
	q.files.Lock()
	defer q.files.Unlock()
	if arrived {
		q.sent++
	} else {
		q.failed++
	}
}

// numbers are what was sent and what was not, so far, and what waits.
func (q *backlog) numbers() (sent, failed int, dropped, waits waiting) {
	q.files.Lock()
	defer q.files.Unlock()
	if folder, err := openQueue(q.env, q.dir); err == nil {
		defer folder.Close()
		waits = folder.waits()
	}
	return q.sent, q.failed, q.dropped, waits
}

// leave has a file stay where it is, and says so once.
func (q *backlog) leave(name, why string) {
	if !q.skip[name] {
		q.env.warn("%s %s: it is left alone", filepath.Join(q.dir, printable.Line(name)), printable.Line(why))
	}
	q.skip[name] = true
}

// setAside gives a file another name, under which it is not sent.
func (q *backlog) setAside(folder *queueFolder, name string, why error) {
	if err := folder.Rename(name, name+asideSuffix); err != nil {
		q.leave(name, cause(err).Error())
		return
	}
	q.env.warn("push %s: %s; it is set aside as %s", filepath.Join(q.dir, name), printable.Line(why.Error()), name+asideSuffix)
}

// end says what has not arrived.
func (q *backlog) end() {
	if q == nil || q.limit.off {
		return
	}
	folder, err := openQueue(q.env, q.dir)
	if err != nil {
		return
	}
	defer folder.Close()
	if w := folder.waits(); w.recordings > 0 {
		q.env.say("%s, wait in %s: the next %s with this folder sends them", w, q.dir, q.command)
	}
	if q.dropped.recordings > 0 {
		q.env.warn("%s, were dropped", q.dropped)
	}
}
