package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// without is what needs no rights in the cluster but those of kubectl port-forward.
const without = "without any right in the cluster: kubectl port-forward to the program's own net/http/pprof, or profiler/inprocess in " +
	"the program (docs/kubernetes.md)"

// place is where something is to be done.
type place struct{ server, namespace, pod string }

// refusal is why something could not be done there, in one line, and what to do about it.
func (at place) refusal(what string, err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	where := fmt.Sprintf("%s %s/%s", what, at.namespace, at.pod)
	text := oneLine(err.Error())
	_, rule, isPolicy := strings.Cut(text, "violates PodSecurity ")
	var status apierrors.APIStatus
	var details *metav1.StatusDetails
	if errors.As(err, &status) {
		details = status.Status().Details
	}
	switch {
	case isPolicy:
		return fmt.Errorf("%s: Pod Security %s; a namespace at the level privileged admits it; with less to see --run-as UID is admitted; %s",
			where, rule, without)
	case strings.Contains(text, "admission webhook "):
		return fmt.Errorf("%s: %s; %s", where, text, without)
	case apierrors.IsForbidden(err), strings.Contains(text, "is forbidden: User "): // the latter of an execution, as text alone
		return fmt.Errorf("%s: RBAC: %s; docs/kubernetes/record.yaml is the role that it needs; %s", where, text, without)
	case apierrors.IsUnauthorized(err):
		return fmt.Errorf("%s: the cluster does not know you: %s (kubectl auth whoami)", where, text)
	case apierrors.IsNotFound(err) && (details == nil || details.Name == ""):
		return fmt.Errorf("%s: this cluster has no ephemeral containers (Kubernetes 1.25): docs/containers.md has a sidecar", where)
	case apierrors.IsNotFound(err):
		return fmt.Errorf("%s: not found: kubectl get pods -n %s", where, at.namespace)
	}
	var of *url.Error
	var network net.Error
	if errors.As(err, &of) || errors.As(err, &network) {
		return fmt.Errorf("%s: %s cannot be reached: %s (kubectl cluster-info)", where, at.server, text)
	}
	return fmt.Errorf("%s: %s", where, text)
}
