package goroutine

import (
	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// walk finds the stacks of the jobs that have one. Those whose goroutine ran meanwhile get a second
// try with what they are now.
func (s *stacks) walk(jobs []job) error {
	s.todo = s.todo[:0]
	for i := range jobs {
		if s.wants(&jobs[i]) {
			s.todo = append(s.todo, i)
		}
	}
	for try := 0; len(s.todo) > 0; try++ {
		if try == s.tries {
			for _, i := range s.todo {
				jobs[i].unwalked(&s.mem.stats.Torn)
			}
			break
		}
		if err := s.walkAll(jobs, try); err != nil {
			return err
		}
		s.todo = append(s.todo[:0], s.torn...)
	}
	return nil
}

// wants says whether a job's stack is to be walked now.
func (s *stacks) wants(j *job) bool {
	switch {
	case j.kind == running:
		return false
	case j.kind == inCall && j.seen.stack != nil:
		return false // the same call as before
	case j.kind == parked && j.same && j.s.stable:
		j.seen.stack, j.seen.loss, j.stable = j.s.now.stack, j.s.now.loss, true
		j.seen.peer, j.seen.write, j.seen.on = j.s.now.peer, j.s.now.write, j.s.now.on
		return false // only its labels were pending
	case j.first && s.walks <= 0:
		j.seen.late, j.seen.loss = true, sample.Unwalked
		s.put++
		return false
	case j.first:
		s.walks--
	}
	return true
}

// walkAll tries all of todo once and leaves the torn ones in torn.
func (s *stacks) walkAll(jobs []job, try int) error {
	s.torn = s.torn[:0]
	if try > 0 {
		if err := s.reread(jobs); err != nil {
			return err
		}
	}
	for todo := s.todo; len(todo) > 0; {
		n := s.plan(jobs, todo)
		if err := s.pass(jobs, todo[:n]); err != nil {
			return err
		}
		todo = todo[n:]
	}
	return nil
}

// reread reads the g's of todo again and drops those that no longer are the same goroutine with a
// stack to walk: they keep the state in which they were first seen.
func (s *stacks) reread(jobs []job) error {
	s.pieces = s.pieces[:0]
	for _, i := range s.todo {
		s.pieces = append(s.pieces, proc.Piece{Addr: jobs[i].s.addr, Buf: jobs[i].g})
	}
	s.mem.clock.from = s.mem.clock.now()
	if err := s.mem.Gather(s.pieces); err != nil {
		return err
	}
	kept := s.todo[:0]
	for n, i := range s.todo {
		j := &jobs[i]
		g := j.g
		k := s.mem.f.key(g)
		kd := kindOf(k.status)
		if !s.pieces[n].OK || k.goid != j.key.goid || kd <= running {
			j.unwalked(&s.mem.stats.Torn)
			continue
		}
		if labels := optional(g, s.mem.f.labels); labels != j.labels {
			j.labels, j.pending, j.seen.set = labels, labels != 0, nil
		}
		j.key, j.kind, j.same = k, kd, false
		s.state.enter(&j.seen, g, k.status, false)
		kept = append(kept, i)
	}
	s.todo = kept
	return nil
}
