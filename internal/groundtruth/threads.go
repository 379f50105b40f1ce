package groundtruth

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strconv"
)

// What the kernel's scheduler says of threads, as trace files of tracefs spell it:
//
//	states-123 [001] d..2.  98.123456: sched_switch: prev_comm=states prev_pid=123 prev_prio=120 prev_state=S ==> next_comm=swapper/1 next_pid=0 next_prio=120
//	<idle>-0   [001] dN.4.  98.123460: sched_wakeup: comm=states pid=123 prio=120 target_cpu=001

// Threads is what threads did, by thread id, in the order of time.
type Threads map[int][]change

// change is when a thread began to do something.
type change struct {
	at    int64
	state string
}

// States of threads, by the names of the states of goroutines that have them.
const (
	runs    = "running"
	wants   = "preempted"
	sleeps  = "syscall"
	unknown = "unknown"
)

// ReadThreads reads a trace file with the events sched_switch, sched_wakeup and sched_wakeup_new
// under trace_clock mono. It is an error if the kernel had no room for some of the events.
func ReadThreads(r io.Reader) (Threads, error) {
	t := threadReader{make(Threads), make(map[int]int64)}
	in := bufio.NewScanner(r)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		if err := t.line(in.Bytes()); err != nil {
			return nil, fmt.Errorf("scheduler trace: %w", err)
		}
	}
	if err := in.Err(); err != nil {
		return nil, fmt.Errorf("scheduler trace: %w", err)
	}
	return t.threads, nil
}

type threadReader struct {
	threads  Threads
	switched map[int]int64 // by CPU, when it last changed its thread
}

func (t *threadReader) line(b []byte) error {
	if rest, ok := bytes.CutPrefix(b, []byte("# entries-in-buffer/entries-written: ")); ok {
		kept, rest, _ := bytes.Cut(rest, []byte("/"))
		if written, _, _ := bytes.Cut(rest, []byte(" ")); !bytes.Equal(kept, written) {
			return fmt.Errorf("only %s of %s events were kept", kept, written)
		}
		return nil
	}
	head, event, _ := bytes.Cut(b, []byte(": "))
	at, ok := stamp(head)
	if !ok {
		return nil // a comment
	}
	switch name, fields, _ := bytes.Cut(event, []byte(": ")); string(name) {
	case "sched_switch":
		state := sleeps
		if bytes.Contains(fields, []byte(" prev_state=R")) {
			state = wants
		}
		cpu, prev := number(head, " ["), number(fields, " prev_pid=")
		t.threads.ran(prev, t.switched[cpu])
		t.switched[cpu] = at
		t.threads.add(prev, at, state)
		t.threads.add(number(fields, " next_pid="), at, runs)
	case "sched_wakeup", "sched_wakeup_new":
		t.threads.wake(number(fields, " pid="), at)
	}
	return nil
}

// ran makes up for a lost event. Linux 6.18 in a virtual machine was seen not to write the switches from the idle task of one of two
// CPUs. Who leaves a CPU has had it since it was free and the thread wanted it.
func (t Threads) ran(tid int, free int64) {
	all := t[tid]
	if n := len(all); n > 0 && all[n-1].state != runs {
		t.add(tid, max(free, all[n-1].at), runs)
	}
}

func (t Threads) add(tid int, at int64, state string) {
	if tid != 0 { // the idle task
		t[tid] = append(t[tid], change{at, state})
	}
}

// wake enters a wakeup. Who is woken on its way to sleep, while it is still on a CPU, stays there.
func (t Threads) wake(tid int, at int64) {
	if all := t[tid]; len(all) == 0 || all[len(all)-1].state == sleeps {
		t.add(tid, at, wants)
	}
}

// stamp is the time at the end of what precedes an event, as ns.
func stamp(head []byte) (int64, bool) {
	sec, frac, ok := bytes.Cut(head[bytes.LastIndexByte(head, ' ')+1:], []byte("."))
	if !ok || len(frac) != 6 {
		return 0, false
	}
	s, err := strconv.ParseInt(string(sec), 10, 32)
	us, err2 := strconv.ParseInt(string(frac), 10, 32)
	return s*1e9 + us*1e3, err == nil && err2 == nil && s >= 0 && us >= 0
}

// number is the decimal number after the last occurrence of a key, 0 without one.
func number(b []byte, key string) int {
	i := bytes.LastIndex(b, []byte(key))
	if i < 0 {
		return 0
	}
	b = b[i+len(key):]
	end := 0
	for end < len(b) && b[end] >= '0' && b[end] <= '9' {
		end++
	}
	n, _ := strconv.Atoi(string(b[:end]))
	return n
}
