package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/printable"
)

// hookPatience is how long a hook may take.
var hookPatience = 30 * time.Second

// mostOfVariable is how much of a text gets into the environment of a hook, bytes. The kernel starts no command with a variable of
// 128 KiB (execve(2), MAX_ARG_STRLEN), and names in a program that somebody else built may be as long as they like.
const mostOfVariable = 8 << 10

// callHooks tells who wants to know of a breach, all at the same time: one that hangs keeps no other from it. One that fails is a
// warning.
func (x *watcher) callHooks(event *breachEvent, text []byte) {
	ctx, cancel := context.WithTimeoutCause(context.Background(), hookPatience, fmt.Errorf("it took longer than %s", hookPatience))
	defer cancel()
	var calls sync.WaitGroup
	if len(x.flags.hook) > 0 {
		calls.Go(func() {
			if err := runHook(ctx, x.flags.hook, event, text); err != nil {
				x.env.warn("--exec %s: %s", x.flags.hook[0], printable.Line(err.Error()))
			}
		})
	}
	if x.flags.webhook != "" {
		calls.Go(func() {
			if err := post(ctx, x.flags.webhook, text); err != nil {
				x.env.warn("--webhook: %s", printable.Line(err.Error()))
			}
		})
	}
	calls.Wait()
}

// runHook starts a command without a shell. What it prints is shown if it fails.
func runHook(ctx context.Context, words []string, event *breachEvent, text []byte) error {
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Stdin = bytes.NewReader(text)
	cause := ""
	if event.Cause != nil {
		cause = event.Cause.Sentence
	}
	cmd.Env = os.Environ()
	for name, value := range map[string]string{"WHY": event.Why, "CAUSE": cause, "REPORT": event.Files.Report,
		"PROFILE": event.Files.Profile, "HEALTHY": event.Files.Healthy} {
		value = printable.Line(value[:min(len(value), mostOfVariable)])
		cmd.Env = append(cmd.Env, "BREACH_"+name+"="+value)
	}
	var said tail
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.WaitDelay = time.Second // for what it left behind with its output
	withChildren(cmd)
	err := cmd.Run()
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil // it went well, and what it started lives on
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil && len(said) > 0 {
		err = fmt.Errorf("%w: %s", err, bytes.TrimSpace(said))
	}
	return err
}

// tail is the end of what was written to it.
type tail []byte

func (t *tail) Write(p []byte) (int, error) {
	const most = 200
	*t = append(*t, p[max(0, len(p)-most):]...)
	*t = (*t)[max(0, len(*t)-most):]
	return len(p), nil
}

// post sends a breach to a URL that the user named, and to no other: no redirect is followed. The URL may be a secret, so it is in no
// message.
func post(ctx context.Context, to string, text []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(text))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "mayfly/"+readBuild().Version)
	client := &http.Client{CheckRedirect: noRedirect, Transport: outward()}
	resp, err := client.Do(req)
	if err != nil {
		if ue := (*url.Error)(nil); errors.As(err, &ue) {
			err = ue.Err
		}
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 == 2 {
		return nil
	}
	why, _ := io.ReadAll(io.LimitReader(resp.Body, 200))
	return fmt.Errorf("%s: %s", resp.Status, bytes.TrimSpace(why))
}
