package main

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// imageVariable names the image where no flag does.
const imageVariable = "MAYFLY_IMAGE"

// request is what somebody asks of a pod.
type request struct {
	command   string // of mayfly
	pod       string
	container string
	image     string
	runAs     owner
	length    time.Duration // of the recording; 0: mayfly's command is over by itself
	output    string        // file; "": stdout
	selects   []string
	pid       int
	wait      time.Duration // for the container to run
	args      []string      // for the command, behind "--"
}

// Bounds of a recording: what holds the connection for longer is an agent's.
const longest = time.Hour

// check finds what is wrong with the command line; dash is the position of "--", or -1.
func (r *request) check(e *env, args []string, dash int) error {
	if dash >= 0 {
		args, r.args = args[:dash], args[dash:]
	}
	if r.image == "" {
		r.image = e.getenv(imageVariable)
	}
	switch {
	case len(args) != 1 || args[0] == "":
		return usagef("%s: want one POD; flags for mayfly %s itself go after --", r.command, r.command)
	case r.image == "":
		return usagef("%s: which image has mayfly? --image, or %s in the environment (docs/kubernetes.md: how to make one)", r.command,
			imageVariable)
	case r.length < 0 || r.length > longest:
		return usagef("%s: --duration %s: at most %s", r.command, r.length, longest)
	case slices.Contains(r.args, "--"):
		return usagef("%s: a second --: mayfly starts no command in a pod", r.command)
	}
	if r.pod = strings.TrimPrefix(args[0], "pod/"); strings.Contains(r.pod, "/") {
		return usagef("%s: %q is no pod", r.command, oneLine(args[0]))
	}
	return nil
}

// remote is the command line in the container.
func (r *request) remote(selects []string) []string {
	line := []string{"mayfly", "remote", "--most", r.bound().String()}
	if r.pid > 0 {
		line = append(line, "--pid", strconv.Itoa(r.pid))
	}
	for _, s := range selects {
		line = append(line, "--select", s)
	}
	line = append(append(line, "--", r.command), r.args...)
	switch r.command {
	case "record":
		line = append(line, "-o", "-")
		fallthrough
	case "report":
		line = append(line, "-d", r.length.String())
	}
	return line
}

// bound is how long the command may take: for top that is how long it lasts.
func (r *request) bound() time.Duration {
	const slack = 2 * time.Minute // to attach, and to make of a recording what is asked for
	if r.command == "top" {
		return r.length
	}
	return r.length + slack
}
