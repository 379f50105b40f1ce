package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"
)

var docs = filepath.Join("..", "..", "docs")

// kinds are what the manifests in docs/kubernetes may have.
var kinds = map[string]func() any{
	"v1/Namespace":                                  func() any { return new(corev1.Namespace) },
	"v1/ServiceAccount":                             func() any { return new(corev1.ServiceAccount) },
	"v1/ConfigMap":                                  func() any { return new(corev1.ConfigMap) },
	"apps/v1/DaemonSet":                             func() any { return new(appsv1.DaemonSet) },
	"rbac.authorization.k8s.io/v1/Role":             func() any { return new(rbacv1.Role) },
	"kustomize.config.k8s.io/v1beta1/Kustomization": func() any { return new(kustomization) },
}

// kustomization is what docs/kubernetes has of one.
type kustomization struct {
	metav1.TypeMeta `json:",inline"`
	Resources       []string `json:"resources"`
}

// decode reads manifests, in which each key has to be one that Kubernetes has, and be there once.
func decode(text []byte) (objects []any, err error) {
	for r := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text))); ; {
		doc, err := r.Read()
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		var meta metav1.TypeMeta
		if err == nil {
			err = yaml.Unmarshal(doc, &meta)
		}
		if err != nil {
			return nil, err
		}
		kind := kinds[meta.APIVersion+"/"+meta.Kind]
		if kind == nil {
			return nil, fmt.Errorf("%s/%s is not expected", meta.APIVersion, meta.Kind)
		}
		object := kind()
		if err := yaml.UnmarshalStrict(doc, object); err != nil {
			return nil, fmt.Errorf("%s: %w", meta.Kind, err)
		}
		objects = append(objects, object)
	}
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(docs, name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// only is the one object of its kind in a manifest.
func only[T any](t *testing.T, name string) *T {
	t.Helper()
	objects, err := decode(read(t, name))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	var found []*T
	for _, o := range objects {
		if o, ok := o.(*T); ok {
			found = append(found, o)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%s has %d of %T", name, len(found), *new(T))
	}
	return found[0]
}

// Each manifest is one that Kubernetes takes, as far as its types say.
func TestManifests(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(docs, "kubernetes", "*.yaml"))
	if err != nil || len(files) < 2 {
		t.Fatalf("%q, %v", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		objects, err := decode(text)
		if err != nil || len(objects) == 0 {
			t.Errorf("%s: %d objects, %v", file, len(objects), err)
		}
		if k, ok := objects[0].(*kustomization); ok {
			if !slices.Equal(k.Resources, []string{"agent.yaml"}) {
				t.Errorf("%s has %q", file, k.Resources)
			}
			continue
		}
		for _, wrong := range []string{"metadata:\n  nmae: x\n", "metadata:\n  name: x\n  name: y\n"} {
			if _, err := decode(bytes.Replace(text, []byte("metadata:\n"), []byte(wrong), 1)); err == nil {
				t.Errorf("%s with %q passes", file, wrong)
			}
		}
	}
}

// What docs/kubernetes.md has one set is there to be set, in the commands and in the overlay.
func TestPlaceholders(t *testing.T) {
	page, manifest := string(read(t, "kubernetes.md")), string(read(t, "kubernetes/agent.yaml"))
	for text, times := range map[string]int{"registry.example/mayfly:VERSION": 1, "http://collector.example:4318": 1} {
		if n := strings.Count(manifest, text); n != times || !strings.Contains(page, "s|"+text+"|$") {
			t.Errorf("%s is in the manifest %d times, or not in the page", text, n)
		}
	}
}

// denials is what a Pod Security level has against a pod.
func denials(t *testing.T, level api.Level, meta *metav1.ObjectMeta, spec *corev1.PodSpec) policy.AggregateCheckResult {
	t.Helper()
	e, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return policy.AggregateCheckResults(e.EvaluatePod(api.LevelVersion{Level: level, Version: api.LatestVersion()}, meta, spec))
}

const manyCapabilities = `must not include "BPF", "PERFMON", "SYSLOG", "SYS_PTRACE" in securityContext.capabilities.add`

// The agent, and the container that is added to a pod, are refused for what they cannot do without, and for nothing else.
func TestPodSecurity(t *testing.T) {
	agent := only[appsv1.DaemonSet](t, "kubernetes/agent.yaml").Spec.Template
	added := restricted()
	added.Spec.EphemeralContainers = []corev1.EphemeralContainer{(&request{image: "x"}).ephemeral("web")}
	user := restricted()
	user.Spec.EphemeralContainers = []corev1.EphemeralContainer{(&request{image: "x", runAs: owner{1000, 1000}}).ephemeral("web")}
	for _, tt := range []struct {
		name     string
		meta     *metav1.ObjectMeta
		spec     *corev1.PodSpec
		level    api.Level
		reasons  []string
		detailed string
	}{
		{"agent", &agent.ObjectMeta, &agent.Spec, api.LevelPrivileged, nil, ""},
		{"agent", &agent.ObjectMeta, &agent.Spec, api.LevelBaseline, []string{"non-default capabilities", "host namespaces"}, "hostPID=true"},
		{"agent", &agent.ObjectMeta, &agent.Spec, api.LevelRestricted, []string{"host namespaces", "unrestricted capabilities",
			"runAsNonRoot != true", "runAsUser=0"}, manyCapabilities},
		{"pod", &added.ObjectMeta, &restricted().Spec, api.LevelRestricted, nil, ""},
		{"pod with mayfly as a user", &user.ObjectMeta, &user.Spec, api.LevelRestricted, nil, ""},
		{"pod with mayfly", &added.ObjectMeta, &added.Spec, api.LevelPrivileged, nil, ""},
		{"pod with mayfly", &added.ObjectMeta, &added.Spec, api.LevelBaseline, []string{"non-default capabilities"}, manyCapabilities},
		{"pod with mayfly", &added.ObjectMeta, &added.Spec, api.LevelRestricted, []string{"unrestricted capabilities", "runAsNonRoot != true",
			"runAsUser=0"}, manyCapabilities},
	} {
		got := denials(t, tt.level, tt.meta, tt.spec)
		slices.Sort(tt.reasons)
		reasons := slices.Sorted(slices.Values(got.ForbiddenReasons))
		if !slices.Equal(reasons, tt.reasons) || !strings.Contains(got.ForbiddenDetail(), tt.detailed) {
			t.Errorf("%s at %s: %s, want %q", tt.name, tt.level, got.ForbiddenDetail(), tt.reasons)
		}
	}
}

// restricted is a pod that the strictest level admits.
func restricted() *corev1.Pod {
	yes, no := true, false
	return &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "web", SecurityContext: &corev1.SecurityContext{
		RunAsNonRoot: &yes, AllowPrivilegeEscalation: &no, Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}}}}}}
}

// The rights of the agent's container are those of the added one and of the unit for systemd, and are none of root's others.
func TestRights(t *testing.T) {
	spec := only[appsv1.DaemonSet](t, "kubernetes/agent.yaml").Spec.Template.Spec
	own := *spec.Containers[0].SecurityContext
	own.SeccompProfile = spec.SecurityContext.SeccompProfile
	if added := (&request{}).ephemeral("").SecurityContext; !reflect.DeepEqual(&own, added) {
		t.Errorf("the agent has %+v, what is added to pods %+v", own, *added)
	}
	unit := regexp.MustCompile(`(?m)^CapabilityBoundingSet=(.*)$`).FindSubmatch(read(t, "mayfly-agent.service"))
	var names []string
	for _, c := range own.Capabilities.Add {
		names = append(names, "CAP_"+string(c))
	}
	if unit == nil || string(unit[1]) != strings.Join(names, " ") {
		t.Errorf("capabilities %q, of the unit %q", names, unit)
	}
	if *spec.AutomountServiceAccountToken || *only[corev1.ServiceAccount](t, "kubernetes/agent.yaml").AutomountServiceAccountToken {
		t.Error("the agent has a token")
	}
}

// Probes, ports, volumes and names of the manifest fit together.
func TestAgentFits(t *testing.T) {
	d := only[appsv1.DaemonSet](t, "kubernetes/agent.yaml")
	spec, settings := d.Spec.Template.Spec, only[corev1.ConfigMap](t, "kubernetes/agent.yaml")
	c := spec.Containers[0]
	for _, p := range []*corev1.Probe{c.LivenessProbe, c.ReadinessProbe} {
		if p.HTTPGet.Port.StrVal != c.Ports[0].Name {
			t.Errorf("a probe asks %s", p.HTTPGet.Port.StrVal)
		}
	}
	if want := fmt.Sprintf("metrics: 0.0.0.0:%d", c.Ports[0].ContainerPort); !strings.Contains(settings.Data["agent.yaml"], want) {
		t.Errorf("the settings have no %s", want)
	}
	var mounts, volumes []string
	for i := range c.VolumeMounts {
		mounts = append(mounts, c.VolumeMounts[i].Name)
	}
	for _, v := range spec.Volumes {
		volumes = append(volumes, v.Name)
		if v.HostPath != nil {
			t.Errorf("volume %s is the host's", v.Name)
		}
	}
	account := only[corev1.ServiceAccount](t, "kubernetes/agent.yaml")
	if !slices.Equal(mounts, volumes) || spec.Volumes[0].ConfigMap.Name != settings.Name || spec.ServiceAccountName != account.Name {
		t.Errorf("mounts %q, volumes %q, settings %s, account %s", mounts, volumes, settings.Name, account.Name)
	}
	for key, value := range d.Spec.Selector.MatchLabels {
		if d.Spec.Template.Labels[key] != value {
			t.Errorf("pods have no label %s=%s", key, value)
		}
	}
	namespace := only[corev1.Namespace](t, "kubernetes/agent.yaml")
	if level := namespace.Labels[api.EnforceLevelLabel]; level != string(api.LevelPrivileged) {
		t.Errorf("the namespace enforces %q", level)
	}
	for _, m := range []metav1.ObjectMeta{d.ObjectMeta, settings.ObjectMeta, account.ObjectMeta} {
		if m.Namespace != namespace.Name {
			t.Errorf("%s is in namespace %q", m.Name, m.Namespace)
		}
	}
}
