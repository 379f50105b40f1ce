package main

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// capabilities are all that mayfly needs, the same as in docs/kubernetes/agent.yaml.
var capabilities = []corev1.Capability{"BPF", "PERFMON", "SYS_PTRACE", "SYSLOG"}

// defaultContainer is the annotation that says which container of a pod kubectl exec and logs take.
const defaultContainer = "kubectl.kubernetes.io/default-container"

// target finds the container whose process is meant, and what selects that among those that can be seen from it.
func (r *request) target(pod *corev1.Pod) (name string, selects []string, err error) {
	if pod.Status.Phase != corev1.PodRunning || pod.DeletionTimestamp != nil {
		return "", nil, fmt.Errorf("pod %s is not running (%s)", r.pod, pod.Status.Phase)
	}
	if os := pod.Spec.OS; os != nil && os.Name != corev1.Linux {
		return "", nil, fmt.Errorf("pod %s runs on %s: mayfly records on Linux", r.pod, os.Name)
	}
	var names []string
	for _, c := range pod.Spec.Containers {
		names = append(names, c.Name)
	}
	if name = cmp.Or(r.container, pod.Annotations[defaultContainer]); name == "" && len(names) == 1 {
		name = names[0]
	}
	switch list := strings.Join(names, ", "); {
	case name == "":
		return "", nil, usagef("pod %s has the containers %s: --container says whose process is meant", r.pod, list)
	case !slices.Contains(names, name):
		return "", nil, usagef("pod %s has no container %s, but %s", r.pod, name, list)
	}
	for _, s := range pod.Status.ContainerStatuses {
		if s.Name == name && s.State.Running != nil {
			return name, r.selection(pod, s.ContainerID), nil
		}
	}
	return "", nil, fmt.Errorf("container %s of pod %s is not running", name, r.pod)
}

// selection says which processes are meant, if those of other containers are seen as well: those of the container, and what was asked for.
func (r *request) selection(pod *corev1.Pod, id string) []string {
	shared := pod.Spec.ShareProcessNamespace
	_, id, ok := strings.Cut(id, "://")
	if !ok || !pod.Spec.HostPID && (shared == nil || !*shared) {
		return r.selects
	}
	only := "container=" + id
	if len(r.selects) == 0 {
		return []string{only}
	}
	var all []string
	for _, s := range r.selects {
		all = append(all, s+","+only)
	}
	return all
}

// ephemeral is what is added to the pod. Its own process waits, longer than the command can take; the command ends it.
func (r *request) ephemeral(target string) corev1.EphemeralContainer {
	return corev1.EphemeralContainer{
		TargetContainerName: target,
		EphemeralContainerCommon: corev1.EphemeralContainerCommon{
			Name:            "mayfly-" + strings.ToLower(rand.Text()[:8]),
			Image:           r.image,
			Args:            []string{"remote", "--hold", (r.bound() + r.wait + time.Minute).String()},
			SecurityContext: r.runAs.rights(),
		},
	}
}

// owner is a user and a group, root if it is the zero value.
type owner struct{ uid, gid int64 }

func (o *owner) String() string {
	if *o == (owner{}) {
		return ""
	}
	return fmt.Sprintf("%d:%d", o.uid, o.gid)
}

func (o *owner) Type() string { return "owner" }

func (o *owner) Set(s string) (err error) {
	user, group, has := strings.Cut(s, ":")
	if o.uid, err = strconv.ParseInt(user, 10, 32); err == nil && has {
		o.gid, err = strconv.ParseInt(group, 10, 32)
	}
	if err != nil || o.uid <= 0 || o.gid < 0 {
		return fmt.Errorf("%q: want UID or UID:GID, in numbers, of somebody who is not root", s)
	}
	return nil
}

// rights are those of the agent's container in docs/kubernetes/agent.yaml. A user who is not root has no capabilities: Kubernetes gives
// those to root only.
func (o owner) rights() *corev1.SecurityContext {
	no, yes, isUser := false, true, o.uid > 0
	has := &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}
	if !isUser {
		has.Add = capabilities
	}
	return &corev1.SecurityContext{RunAsUser: &o.uid, RunAsGroup: &o.gid, RunAsNonRoot: &isUser, Privileged: &no,
		AllowPrivilegeEscalation: &no, ReadOnlyRootFilesystem: &yes, Capabilities: has,
		SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}}
}
