package main

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
)

// ledger is what is in the folder of a queue. To read the folder for each recording that comes costs more than the recording where
// thousands wait: it is read when the limit seems to be reached, and for the next ones to be dropped by then.
type ledger struct {
	waiting          // at most: what has been sent since the folder was read is among it
	known   bool     // the folder has been read: it may have what was left by who wrote it before
	oldest  []queued // what is to be dropped next
}

// recount reads the folder; q.files is locked.
func (q *backlog) recount() error {
	folder, err := openQueue(q.env, q.dir)
	if err != nil {
		return err
	}
	defer folder.Close()
	q.held = ledger{folder.all, true, slices.Clone(folder.list[:min(len(folder.list), mostOldest)])}
	return nil
}

// prune drops the oldest recordings until the queue is within its limit, but for the one that is being sent; q.files is locked.
func (q *backlog) prune() error {
	h := &q.held
	for fresh := false; !h.known || q.limit.exceeded(h.recordings, h.bytes); {
		i := slices.IndexFunc(h.oldest, func(r queued) bool { return r.stem != q.current })
		switch {
		case i >= 0:
			r := h.oldest[i]
			h.oldest = slices.Delete(h.oldest, i, i+1)
			if err := q.discard(r); err != nil {
				return err
			}
			fresh = false
		case fresh:
			return nil // nothing but what is being sent
		default:
			if err := q.recount(); err != nil {
				return err
			}
			fresh = true
		}
	}
	return nil
}

// discard drops a recording, unless it has arrived by now; q.files is locked.
func (q *backlog) discard(r queued) error {
	folder, err := makeFolder(q.env, q.dir)
	if err != nil {
		return writeError(q.dir, err)
	}
	defer folder.Close()
	lost := false
	for i, name := range append(r.names, r.aside...) {
		err := folder.Remove(name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return writeError(filepath.Join(q.dir, name), err)
		}
		lost = lost || err == nil && i < len(r.names) // of others it was said when they were set aside
	}
	q.held.recordings--
	q.held.bytes -= r.bytes
	if !lost {
		return nil
	}
	q.dropped.add(r.bytes)
	if n := q.dropped.recordings; !q.many || n&(n-1) == 0 {
		q.env.warn("%s, were dropped so far: the oldest, as --queue-limit is %s", q.dropped, &q.limit)
	}
	return nil
}
