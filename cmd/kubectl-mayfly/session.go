package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/util/exec"
	"k8s.io/streaming/pkg/httpstream"
)

const (
	pollEvery = 500 * time.Millisecond
	beatEvery = 5 * time.Second  // mayfly takes 30 s of silence for nobody there
	patience  = 90 * time.Second // for what was recorded to arrive
	mostWords = 1 << 20          // bytes of stderr
)

// do does what is asked.
func (r *request) do(ctx context.Context, e *env, c *cluster) error {
	pod, err := c.pod(ctx, r.pod)
	if err != nil {
		return err
	}
	target, selects, err := r.target(pod)
	if err != nil {
		return err
	}
	if err := c.allowed(ctx, r.pod); err != nil {
		return err
	}
	to, err := openOutput(e, r)
	if err != nil {
		return err
	}
	defer to.discard()
	container := r.ephemeral(target)
	if err := c.add(ctx, r.pod, container); err != nil {
		return err
	}
	e.say("container %s of pod %s/%s runs %s beside %s", container.Name, c.namespace, r.pod, r.image, target)
	if err := c.await(ctx, r, container.Name); err != nil {
		return err
	}
	intact, err := c.execute(ctx, e, r.call(container.Name, selects), to)
	if intact && to.n > 0 {
		err = errors.Join(to.commit(), err)
	}
	return err
}

// hopeless are the reasons for which a container waits that will not go away.
var hopeless = map[string]string{
	"ImagePullBackOff":           "the node cannot pull the image: --image, and imagePullSecrets of the pod",
	"InvalidImageName":           "--image",
	"ErrImageNeverPull":          "the image is not on the node",
	"CreateContainerConfigError": "kubectl describe pod",
	"CreateContainerError":       "kubectl describe pod",
	"RunContainerError":          "kubectl describe pod",
}

// await waits until the container runs.
func (c *cluster) await(ctx context.Context, r *request, name string) error {
	late := fmt.Errorf("container %s does not run after %s (kubectl describe pod -n %s %s; --pod-running-timeout)", name, r.wait,
		c.namespace, r.pod)
	waiting, cancel := context.WithTimeoutCause(ctx, r.wait, late)
	defer cancel()
	t := time.NewTicker(pollEvery)
	defer t.Stop()
	for {
		pod, err := c.pod(waiting, r.pod)
		if waiting.Err() != nil {
			return context.Cause(waiting)
		}
		if err != nil {
			return err
		}
		if running, err := c.running(pod, name); running || err != nil {
			return err
		}
		select {
		case <-waiting.Done():
			return context.Cause(waiting)
		case <-t.C:
		}
	}
}

// running says whether the container runs, and why it never will.
func (c *cluster) running(pod *corev1.Pod, name string) (bool, error) {
	if pod.Status.Phase != corev1.PodRunning {
		return false, fmt.Errorf("pod %s/%s has ended (%s)", c.namespace, pod.Name, oneLine(string(pod.Status.Phase)))
	}
	for _, s := range pod.Status.EphemeralContainerStatuses {
		if s.Name != name {
			continue
		}
		if ended := s.State.Terminated; ended != nil {
			return false, fmt.Errorf("container %s has ended with exit code %d (%s): is the image mayfly's, of the same version? "+
				"kubectl logs -n %s %s -c %s", name, ended.ExitCode, oneLine(ended.Reason+" "+ended.Message), c.namespace, pod.Name, name)
		}
		if w := s.State.Waiting; w != nil && hopeless[w.Reason] != "" {
			return false, fmt.Errorf("container %s cannot run: %s: %s", name, oneLine(w.Reason+": "+w.Message), hopeless[w.Reason])
		}
		return s.State.Running != nil, nil
	}
	return false, nil
}

// call is a command to execute in a container.
type call struct {
	pod, container string
	line           []string
	bound          time.Duration
}

func (r *request) call(container string, selects []string) call {
	return call{r.pod, container, r.remote(selects), r.bound() + patience}
}

// execute executes a command in a container and passes on what it prints. It says whether that is all of it.
func (c *cluster) execute(ctx context.Context, e *env, x call, to io.Writer) (intact bool, err error) {
	executor, err := c.executor(x)
	if err != nil {
		return false, err
	}
	late := fmt.Errorf("no end after %s", x.bound)
	stream, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), x.bound, late)
	defer cancel()
	stream, fail := context.WithCancelCause(stream)
	defer fail(nil)
	stdin, beating := io.Pipe()
	defer beating.Close()
	go beat(ctx, beatEvery, beating)
	defer context.AfterFunc(ctx, func() {
		e.say("ending the recording; Ctrl-C again gives it up")
		time.AfterFunc(patience, func() { fail(late) })
	})()
	out := newUnsealer(&failing{to, fail})
	words := &failing{&printer{w: e.stderr, left: mostWords}, fail}
	err = executor.StreamWithContext(stream, remotecommand.StreamOptions{Stdin: stdin, Stdout: &failing{out, fail}, Stderr: words})
	if cause := context.Cause(stream); cause != nil && err != nil {
		err = cause
	}
	intact, err = out.verdict(err)
	if coded := new(exitError); errors.As(err, &coded) {
		return intact, err
	}
	return intact, c.at(x.pod).refusal("execute mayfly in", err)
}

// verdict is what an execution came to: with an exit code of its own mayfly has said what there is to say.
func (u *unsealer) verdict(err error) (intact bool, _ error) {
	intact = u.intact()
	var code exec.CodeExitError
	switch {
	case errors.As(err, &code):
		return intact, &exitError{code: code.Code}
	case !intact && (err == nil || u.taken > 0):
		if err == nil {
			err = io.ErrUnexpectedEOF
		}
		return false, fmt.Errorf("the connection broke after %d bytes, which are lost: %w; what runs in the pod ends within a minute",
			u.taken, err)
	}
	return intact, err
}

// executor is by WebSockets, or by SPDY where the cluster or a proxy before it does not know those, as kubectl's.
func (c *cluster) executor(x call) (remotecommand.Executor, error) {
	url := c.client.Post().Namespace(c.namespace).Resource("pods").Name(x.pod).SubResource("exec").VersionedParams(&corev1.PodExecOptions{
		Container: x.container, Command: x.line, Stdin: true, Stdout: true, Stderr: true}, c.codec).URL()
	spdy, err := remotecommand.NewSPDYExecutor(c.config, "POST", url)
	if err != nil {
		return nil, err
	}
	socket, err := remotecommand.NewWebSocketExecutor(c.config, "GET", url.String())
	if err != nil {
		return nil, err
	}
	return remotecommand.NewFallbackExecutor(socket, spdy, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	})
}

// beat says every now and then that somebody is there, until ctx ends: that ends the recording.
func beat(ctx context.Context, every time.Duration, to io.WriteCloser) {
	defer to.Close()
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			if _, err := io.WriteString(to, "\n"); err != nil {
				return
			}
		}
	}
}

// failing ends a stream with the error of what it writes to: the client's library goes on without a word.
type failing struct {
	w    io.Writer
	fail func(error)
}

func (f *failing) Write(b []byte) (int, error) {
	n, err := f.w.Write(b)
	if err != nil {
		f.fail(err)
	}
	return n, err
}
