package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/mayfly-profiler/mayfly/internal/choose"
)

// kubectl mayfly adds a container to a pod and executes a command of mayfly in it: what that prints goes to who asked and into no log
// of the cluster's. The container's own process waits, remote --hold; the command is remote -- record -d 10s -o -. Nothing ends a
// process that was executed so when whoever asked is gone: kubelets and runtimes leave it running. So that one writes to its stdin
// every now and then, and the command ends when stdin ends or nothing comes. A connection that breaks looks like one that ends, too:
// what the command prints has a seal at its end.

const (
	remoteSilence = 30 * time.Second // without a byte: nobody is there
	remoteGrace   = time.Minute      // from then on, until the process ends whatever it does
	remoteMark    = "\x00mayfly\x01" // before the SHA-256 of all that was printed

	holdFlag  = "hold"
	holdAlone = 2 * time.Minute  // for the command to begin
	holdCheck = 10 * time.Second // whether there is one that has not been able to end the wait
)

// remotes are the commands that may be asked for.
var remotes = []string{"record", "report", "top", "dump"}

// remoteFlags is the command line of remote.
type remoteFlags struct {
	hold, most duration
	pid        int
	selects    []string
	chosen     []choose.Expr
	command    []string
	silence    time.Duration
}

func remoteCommand(e *env) *cobra.Command {
	f := remoteFlags{most: duration(time.Hour), silence: remoteSilence}
	cmd := &cobra.Command{
		Use:     "remote (--hold DURATION | -- COMMAND ARG...)",
		Hidden:  true,
		GroupID: groupRecord,
		Short:   "Run a command for who asks from afar: kubectl mayfly",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.command = args; f.hold > 0 && len(args) == 0 {
				return f.wait(cmd.Context())
			}
			if err := f.check(cmd.ArgsLenAtDash()); err != nil {
				return err
			}
			return f.run(cmd.Context(), e)
		},
	}
	fl := cmd.Flags()
	fl.Var(&f.hold, holdFlag, "wait for this long, or until a command that was executed beside it ends")
	fl.Var(&f.most, "most", "end the command after this time")
	fl.IntVar(&f.pid, "pid", 0, "run it on this process, of several")
	fl.StringArrayVar(&f.selects, "select", nil, "run it on the process of which this `expression` of agent --select holds")
	return cmd
}

// check finds what is wrong with the command line; dash is the position of "--", or -1.
func (f *remoteFlags) check(dash int) error {
	if dash != 0 || len(f.command) == 0 || !slices.Contains(remotes, f.command[0]) || slices.Contains(f.command, "--") {
		return usagef("remote: want -- and one of %s with its flags", strings.Join(remotes, ", "))
	}
	for _, text := range f.selects {
		expr, err := choose.Parse(text)
		if err != nil {
			return usagef("remote: --select %w", err)
		}
		f.chosen = append(f.chosen, expr)
	}
	return nil
}

// wait is what the container's own process does: until a command ends it, or there is none.
func (f *remoteFlags) wait(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(f.hold))
	defer cancel()
	t := time.NewTicker(holdCheck)
	defer t.Stop()
	for began, had := time.Now(), false; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
		if has := len(remoteProcesses(false)) > 0; had && !has || !has && time.Since(began) > holdAlone {
			return nil
		} else if has {
			had = true
		}
	}
}

// run runs the command until it ends, or nobody is there any more.
func (f *remoteFlags) run(ctx context.Context, e *env) error {
	defer endHold()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer time.AfterFunc(time.Duration(f.most), cancel).Stop()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(remoteGrace, func() { os.Exit(codeFailed) }) })()
	go heed(e.stdin, f.silence, cancel)
	pid, err := f.process(e)
	if err != nil {
		return err
	}
	out := &sealed{w: raw(e.stdout), sum: sha256.New()}
	inner := *e
	inner.stdin, inner.stdout = strings.NewReader(""), out
	err = run(ctx, &inner, append(slices.Clone(f.command), fmt.Sprintf("-p=%d", pid)))
	return errors.Join(err, out.seal())
}

// heed calls gone when r ends, or when nothing has come for as long as silence.
func heed(r io.Reader, silence time.Duration, gone func()) {
	t := time.AfterFunc(silence, gone)
	defer t.Stop()
	defer gone()
	for b := make([]byte, 512); ; t.Reset(silence) {
		if n, err := r.Read(b); n == 0 || err != nil {
			return
		}
	}
}

// sealed passes on what is written to it, and says at the end what all of it was.
type sealed struct {
	mu  sync.Mutex
	w   io.Writer
	sum hash.Hash
}

func (s *sealed) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, err := s.w.Write(b)
	s.sum.Write(b[:n])
	return n, err
}

func (s *sealed) seal() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.w.Write(s.sum.Sum([]byte(remoteMark)))
	return err
}
