package goroutine

import "encoding/binary"

// Before Go 1.26 nothing leads from a goroutine to the semaphore or the sync.Cond that it waits for, but its stack has
// them: semacquire1 keeps the sudog that it put into the queue, and its caller the semaphore; notifyListWait keeps the
// list. Words on the stack are old ones as well, so each is proved by what it points to. A sudog has the goroutine and
// a semaphore, and that is on the stack too; a sudog that is over has none. And a sync.Cond that was used has its own
// address in it, behind its list (sync/cond.go, copyChecker). All frames up to there have one size in one
// executable, so that where something was found once it is found again.

const (
	stackSpan = 384 // bytes of stack above sp that hold the frames of gopark, semacquire1 and notifyListWait,
	semaSpan  = 640 // and those of their callers
	checkerAt = 32  // sync.Cond's copyChecker, from its list
	condBytes = checkerAt + 8
	maxWide   = 16 // stacks that are searched whole in one tick
	maxTried  = 48 // words of one stack
)

// searchStack finds a semaphore or condition by the words on the stack. It says whether that is done.
func (x *waitFinder) searchStack(w *waiter) (done bool) {
	at := x.learnt[w.class.how]
	if at >= 0 && !w.wide {
		found, known := x.tryWord(w, at)
		if found || !known {
			return found
		}
	}
	if !w.wide {
		if x.wide <= 0 {
			w.job.stable = false // it is read again
			return true
		}
		x.wide--
		w.wide = true
	}
	done = true
	for off := 0; off+8 <= min(len(w.stack), stackSpan); off += 8 {
		found, known := x.tryWord(w, off)
		if found {
			x.learnt[w.class.how] = off
			return true
		}
		done = done && known
	}
	return done
}

// tryWord tries what the word at a distance from sp points to. known is false if that has to be read first.
func (x *waitFinder) tryWord(w *waiter, off int) (found, known bool) {
	if off+8 > len(w.stack) {
		return false, true
	}
	addr := word(w.stack, off)
	if lo, hi := w.job.key.lo, word(w.job.g, x.mem.f.hi); addr >= lo && addr < hi || len(w.fetched) > maxTried {
		return false, true
	}
	if w.class.how == semaphore {
		return x.trySudog(w, addr)
	}
	return x.tryList(w, addr)
}

func (x *waitFinder) trySudog(w *waiter, addr uint64) (found, known bool) {
	f := &x.f
	sg, known := x.sudog(w, addr)
	if sg == nil || word(sg, f.c) != 0 {
		return false, known
	}
	sema := word(sg, f.elem)
	for off := 0; off+8 <= min(len(w.stack), semaSpan); off += 8 {
		if word(w.stack, off) == sema {
			w.enter(sema)
			break
		}
	}
	return len(w.found) > 0, true
}

func (x *waitFinder) tryList(w *waiter, addr uint64) (found, known bool) {
	if addr < 4096 || addr > 1<<47 || addr%8 != 0 {
		return false, true
	}
	list, known := w.get(addr, condBytes)
	if list == nil || word(list, checkerAt) != addr+checkerAt || word(list, 16) == 0 {
		return false, known
	}
	if wait, notify := binary.LittleEndian.Uint32(list), binary.LittleEndian.Uint32(list[4:]); wait != notify {
		w.enter(addr)
	}
	return len(w.found) > 0, true
}
