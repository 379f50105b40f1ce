package proc

import (
	"bytes"
	"regexp"
	"strings"
)

// Who runs containers names their control groups after them: systemd's scopes (docker-ID.scope, cri-containerd-ID.scope, crio-ID.scope,
// libpod-ID.scope), or folders (/docker/ID, /kubepods/burstable/podUID/ID). The id is 64 digits in all of them.
var (
	containerID = regexp.MustCompile(`[0-9a-f]{64,}`)
	podUID      = regexp.MustCompile(`[/-]pod([0-9a-f]{8}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{12})`)
)

// Group is the control group that a process is in.
type Group struct {
	Path      string // as this process sees it; of version 1 that of the longest path
	Container string // id, "" if the path names none
	Pod       string // uid of a Kubernetes pod, with dashes; "" the same
}

// Group reads it.
func (p *Process) Group() (Group, error) {
	b, err := p.read("cgroup")
	if err != nil {
		return Group{}, err
	}
	return parseGroup(b), nil
}

// parseGroup reads /proc/PID/cgroup: lines of HIERARCHY:CONTROLLERS:PATH.
func parseGroup(b []byte) (g Group) {
	for line := range bytes.Lines(b) {
		_, rest, _ := strings.Cut(strings.TrimSuffix(string(line), "\n"), ":")
		if _, path, _ := strings.Cut(rest, ":"); len(path) > len(g.Path) {
			g.Path = path
		}
	}
	for _, id := range containerID.FindAllString(g.Path, -1) {
		if len(id) == 64 {
			g.Container = id // at last the innermost
		}
	}
	if m := podUID.FindStringSubmatch(g.Path); m != nil {
		g.Pod = strings.ReplaceAll(m[1], "_", "-")
	}
	return g
}

// Variable is a variable of the process's environment, as it was started with it. It is for who is asked about that one by name: of
// others nothing leaves this function.
func (p *Process) Variable(name string) (value string, ok bool, err error) {
	b, err := p.read("environ")
	if err != nil {
		return "", false, err
	}
	for v := range bytes.SplitSeq(b, []byte{0}) {
		if key, value, found := bytes.Cut(v, []byte{'='}); found && string(key) == name && len(v) <= longestResource {
			return string(value), true, nil
		}
	}
	return "", false, nil
}

// accountNamespace is where Kubernetes puts the namespace of a pod's service account, unless the pod does not want it.
const accountNamespace = "var/run/secrets/kubernetes.io/serviceaccount/namespace"

// longestNamespace is that of a name in Kubernetes, bytes.
const longestNamespace = 253

// Namespace is the Kubernetes namespace that the file system of the process names, "" if it names none.
func (p *Process) Namespace() string {
	f, err := openInRoot(p.path("root"), accountNamespace)
	if err != nil {
		return ""
	}
	defer f.Close()
	var b [longestNamespace + 1]byte
	n, _ := f.ReadAt(b[:], 0)
	if n > longestNamespace {
		return ""
	}
	return strings.TrimSpace(string(b[:n]))
}
