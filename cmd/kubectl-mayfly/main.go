// Kubectl-mayfly is a plugin of kubectl: "kubectl mayfly record POD" records a Go process in a pod. It adds a container with mayfly to
// the pod, for as long as that takes, executes a command of mayfly in it, and writes here what that prints.
//
// It is a module of its own: what it requires of Kubernetes is in no graph of who imports mayfly.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/go-logr/logr"
	_ "k8s.io/client-go/plugin/pkg/client/auth" // as kubectl: clusters that ask for OpenID Connect
	"k8s.io/klog/v2"
)

// quiet has the client's library log nothing: what matters of it, it also returns.
func quiet() { klog.SetLogger(logr.Discard()) }

// The first Ctrl-C ends the recording and gets what it has; the second one ends this process, and the other end hears that nobody is there.
func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	quiet()
	e := &env{stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv}
	err := run(ctx, e, os.Args[1:])
	if text := message(err); text != "" {
		e.say("%s", text)
	}
	os.Exit(exitCode(err))
}
