package main

import (
	"context"
	"fmt"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
)

// right is what the cluster has to let somebody do with a pod.
type right struct{ verb, subresource string }

// needed are the rights without which a container would be added for nothing; the pod has been got by then. To execute takes create, by
// SPDY always and by WebSockets from Kubernetes 1.35 on; before, get was enough for these, which was never meant to be.
var needed = []right{{"patch", "ephemeralcontainers"}, {"create", "exec"}}

// rule is the line of a role that gives it.
func (r right) rule() string {
	return fmt.Sprintf(`- {apiGroups: [""], resources: ["pods/%s"], verbs: ["%s"]}`, r.subresource, r.verb)
}

// allowed says which of the rights are missing, before anything is done: what is added to a pod stays in its status. Who may not even ask
// is not hindered by that.
func (c *cluster) allowed(ctx context.Context, pod string) error {
	var rules []string
	for _, r := range needed {
		status, err := c.review(ctx, pod, r)
		if err == nil && !status.Allowed {
			rules = append(rules, r.rule())
		}
	}
	if len(rules) == 0 || ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("add a container %s/%s: RBAC: you lack what these rules give in the namespace %s: %s (docs/kubernetes/record.yaml "+
		"is the whole role); nothing was added; %s", c.namespace, pod, c.namespace, strings.Join(rules, " "), without)
}

// review asks the cluster whether one has a right.
func (c *cluster) review(ctx context.Context, pod string, r right) (authorizationv1.SubjectAccessReviewStatus, error) {
	var review authorizationv1.SelfSubjectAccessReview
	review.Spec.ResourceAttributes = &authorizationv1.ResourceAttributes{Namespace: c.namespace, Name: pod, Verb: r.verb, Resource: "pods",
		Subresource: r.subresource}
	err := c.client.Post().AbsPath("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews").Body(&review).Do(ctx).Into(&review)
	return review.Status, err
}
