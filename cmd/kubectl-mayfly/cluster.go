package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// cluster is a namespace of one, and a client of pods and of what one may do with them: that of all kinds is 260 packages more to compile.
type cluster struct {
	config    *rest.Config
	client    *rest.RESTClient
	codec     runtime.ParameterCodec
	namespace string
}

// connect makes a client as kubectl would. Nothing is asked yet.
func connect(from clientcmd.ClientConfig, e *env) (*cluster, error) {
	namespace, _, err := from.Namespace()
	if err != nil {
		return nil, fmt.Errorf("kubeconfig: %w", err)
	}
	config, err := from.ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("kubeconfig: %w", err)
	}
	scheme := runtime.NewScheme()
	if err := errors.Join(corev1.AddToScheme(scheme), authorizationv1.AddToScheme(scheme)); err != nil {
		return nil, err
	}
	config.APIPath, config.GroupVersion = "/api", &corev1.SchemeGroupVersion
	config.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	config.UserAgent = "kubectl-mayfly"
	config.QPS = -1 // two requests a second are no flood, and a limit's errors are none of the cluster's
	config.WarningHandler = warner{e}
	client, err := rest.RESTClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("kubeconfig: %w", err)
	}
	return &cluster{config, client, runtime.NewParameterCodec(scheme), namespace}, nil
}

// warner says what a cluster warns of: that Pod Security would refuse elsewhere, for instance.
type warner struct{ env *env }

func (w warner) HandleWarningHeader(code int, _, text string) {
	if code == 299 {
		w.env.say("the cluster warns: %s", text)
	}
}

func (c *cluster) at(pod string) place { return place{c.config.Host, c.namespace, pod} }

// pod gets a pod.
func (c *cluster) pod(ctx context.Context, name string) (*corev1.Pod, error) {
	pod := new(corev1.Pod)
	err := c.client.Get().Namespace(c.namespace).Resource("pods").Name(name).Do(ctx).Into(pod)
	return pod, c.at(name).refusal("get the pod", err)
}

// add adds a container to a pod that is running. The API has no way to remove it.
func (c *cluster) add(ctx context.Context, pod string, container corev1.EphemeralContainer) error {
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{"ephemeralContainers": []corev1.EphemeralContainer{container}}})
	if err != nil {
		return err
	}
	err = c.client.Patch(types.StrategicMergePatchType).Namespace(c.namespace).Resource("pods").Name(pod).
		SubResource("ephemeralcontainers").Body(patch).Do(ctx).Error()
	return c.at(pod).refusal("add a container", err)
}
