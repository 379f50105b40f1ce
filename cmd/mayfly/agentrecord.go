package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/origin"
	"github.com/mayfly-profiler/mayfly/internal/proc"
)

// An agent answers POST /record?pid=PID&seconds=30 with what mayfly record -p PID -d 30s writes. A process of its own records: its CPU time
// is not that of the agent, whose budget would make all others' profiles coarser, and neither is its memory.

const (
	demandSeconds     = 30
	mostDemandSeconds = 60
	mostDemands       = 2        // at a time, each of another process
	mostDemanded      = 64 << 20 // bytes of a profile
	demandPatience    = 30 * time.Second
	overflowUser      = 65534 // whom the kernel shows in place of users that this user namespace does not have
)

// demands are recordings that somebody waits for.
type demands struct {
	mu   sync.Mutex
	of   map[int]bool // by process
	ours map[int]bool // processes that record
	wg   sync.WaitGroup
}

// refusal is an error with its status code.
type refusal struct {
	code int
	error
}

func refuse(code int, format string, args ...any) error {
	return refusal{code, fmt.Errorf(format, args...)}
}

// recordNow answers a demand.
func (a *agent) recordNow(w http.ResponseWriter, r *http.Request) {
	profile, name, err := a.demanded(w, r)
	var no refusal
	switch {
	case errors.As(err, &no):
		http.Error(w, no.Error(), no.code)
	case err != nil:
		http.Error(w, oneLine(err.Error()), http.StatusInternalServerError)
	default:
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", name))
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Write(profile)
	}
}

func (a *agent) demanded(w http.ResponseWriter, r *http.Request) (profile []byte, name string, err error) {
	if err := cmp.Or(origin.Site(r), origin.Host(r)); err != nil {
		return nil, "", refuse(http.StatusForbidden, "%w", err)
	}
	pid, err := strconv.Atoi(r.FormValue("pid"))
	if err != nil || pid <= 0 {
		return nil, "", refuse(http.StatusBadRequest, "want pid=PID")
	}
	seconds, err := strconv.Atoi(cmp.Or(r.FormValue("seconds"), strconv.Itoa(demandSeconds)))
	if err != nil || seconds < 1 || seconds > mostDemandSeconds {
		return nil, "", refuse(http.StatusBadRequest, "seconds: want 1 to %d", mostDemandSeconds)
	}
	p, uid, err := a.entitled(r, pid)
	if err != nil {
		return nil, "", err
	}
	defer p.Close()
	if err := a.demands.take(pid); err != nil {
		return nil, "", err
	}
	defer a.demands.done(pid)
	length := time.Duration(seconds) * time.Second
	c := http.NewResponseController(w)
	if err := errors.Join(c.SetReadDeadline(time.Time{}), c.SetWriteDeadline(time.Now().Add(length+2*demandPatience))); err != nil {
		return nil, "", err
	}
	if profile, err = a.demands.record(r.Context(), pid, length); err != nil {
		return nil, "", err
	}
	// What had this id when the rights to it were judged has it still: it was that all the time.
	if now, err := p.UID(); err != nil || now != uid || !p.Alive() {
		return nil, "", refuse(http.StatusGone, "process %d has ended, or is another user's by now", pid)
	}
	return profile, fmt.Sprintf("mayfly-%d.pb.gz", pid), nil
}

// entitled opens a process that the agent records, if who asks may know of it: root, the agent's user, and the process's own. Everybody on
// a host can reach an address of it, and whoever cannot be told asks from elsewhere.
func (a *agent) entitled(r *http.Request, pid int) (p *proc.Process, uid int, err error) {
	who, err := caller(r)
	if err != nil {
		return nil, 0, refuse(http.StatusForbidden, "%w", err)
	}
	all := who == 0 || who == os.Getuid()
	if p, err = proc.Open(pid); err == nil {
		if uid, err = p.UID(); err == nil && (all || who == uid && uid != overflowUser) {
			recorded := false
			if a.meter.add(func(m *agentMeter) { recorded = m.begun[pid] }); recorded {
				return p, uid, nil
			}
		}
		p.Close()
	}
	if !all {
		return nil, 0, refuse(http.StatusForbidden, "process %d: not recorded by this agent, or of another user than %d", pid, who)
	}
	return nil, 0, refuse(http.StatusNotFound, "process %d is not recorded by this agent", pid)
}

// caller is the user who has opened a connection.
func caller(r *http.Request) (uid int, err error) {
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return 0, err
	}
	l, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return 0, errors.ErrUnsupported
	}
	local, err := netip.ParseAddrPort(l.String())
	if err != nil {
		return 0, err
	}
	return proc.SocketOwner(local, remote)
}

func (d *demands) take(pid int) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.of[pid]:
		return refuse(http.StatusConflict, "process %d is being recorded for somebody", pid)
	case len(d.of) >= mostDemands:
		return refuse(http.StatusTooManyRequests, "%d processes are being recorded, which is the most", mostDemands)
	}
	d.of[pid] = true
	d.wg.Add(1)
	return nil
}

func (d *demands) done(pid int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.of, pid)
	d.wg.Done()
}

// record has a process recorded by another one, until ctx ends.
func (d *demands) record(ctx context.Context, pid int, length time.Duration) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, length+demandPatience)
	defer cancel()
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	var out, said bounded
	cmd := exec.CommandContext(ctx, exe, "record", "-q", "-p", strconv.Itoa(pid), "-d", length.String(), "-o", "-")
	cmd.Stdout, cmd.Stderr = &out, &said
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = lastPush
	if err := d.start(cmd); err != nil {
		return nil, err
	}
	err = cmd.Wait()
	d.mu.Lock()
	delete(d.ours, cmd.Process.Pid)
	d.mu.Unlock()
	if err != nil {
		return nil, fmt.Errorf("record %d: %w: %s", pid, err, strings.TrimPrefix(strings.TrimSpace(said.b.String()), "mayfly: "))
	}
	return out.b.Bytes(), nil
}

// start starts a process of ours, which is recorded by nobody: who asks waits until it is known.
func (d *demands) start(cmd *exec.Cmd) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := cmd.Start(); err != nil {
		return err
	}
	d.ours[cmd.Process.Pid] = true
	return nil
}

func (d *demands) has(pid int) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ours[pid]
}

// bounded is a buffer with a limit.
type bounded struct{ b bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	if b.b.Len()+len(p) > mostDemanded {
		return 0, errors.New("the profile is too large")
	}
	return b.b.Write(p)
}
