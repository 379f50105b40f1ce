// Package chart holds the Helm chart in docs/kubernetes/chart against the manifests beside it, by Helm's own engine and linter.
package chart

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"
)

var (
	manifest = filepath.Join("..", "..", "docs", "kubernetes", "agent.yaml")
	folder   = filepath.Join("..", "..", "docs", "kubernetes", "chart")
)

// objects are those of a manifest, by kind; each has one of a kind.
type objects map[string]runtime.Object

func get[T runtime.Object](t *testing.T, all objects) T {
	t.Helper()
	for _, o := range all {
		if o, ok := o.(T); ok {
			return o
		}
	}
	t.Fatalf("no %T among %v", *new(T), slices.Collect(maps.Keys(all)))
	panic("unreachable")
}

// decode reads manifests as Kubernetes does that is asked to be strict: each key has to be one of the type, and there once.
func decode(text string, into objects) error {
	scheme := runtime.NewScheme()
	err := errors.Join(corev1.AddToScheme(scheme), appsv1.AddToScheme(scheme), monitoringv1.AddToScheme(scheme))
	d := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	for r := utilyaml.NewYAMLReader(bufio.NewReader(strings.NewReader(text))); err == nil; {
		var doc []byte
		if doc, err = r.Read(); err != nil || strings.TrimSpace(string(doc)) == "" {
			continue
		}
		object, kind, derr := d.Decode(doc, nil, nil)
		switch {
		case derr != nil:
			return fmt.Errorf("%s: %w", doc, derr)
		case into[kind.Kind] != nil:
			return fmt.Errorf("a second %s", kind.Kind)
		}
		into[kind.Kind] = object
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return err
}

// render renders the chart as helm install does.
func render(values, release, namespace string) (all objects, notes string, err error) {
	chart, err := loader.Load(folder)
	if err != nil {
		return nil, "", err
	}
	given, err := common.ReadValues([]byte(values))
	if err != nil {
		return nil, "", err
	}
	options := common.ReleaseOptions{Name: release, Namespace: namespace, Revision: 1, IsInstall: true}
	top, err := util.ToRenderValues(chart, given, options, nil)
	if err != nil {
		return nil, "", err
	}
	files, err := engine.Render(chart, top)
	if err != nil {
		return nil, "", err
	}
	all = make(objects)
	for name, text := range files {
		if path.Base(name) == "NOTES.txt" {
			notes = text
		} else if err := decode(text, all); err != nil {
			return nil, "", fmt.Errorf("%s: %w", name, err)
		}
	}
	return all, notes, nil
}

func rendered(t *testing.T, values string) (objects, string) {
	t.Helper()
	all, notes, err := render(values, "mayfly-agent", "mayfly")
	if err != nil {
		t.Fatal(err)
	}
	return all, notes
}

// agent is docs/kubernetes/agent.yaml.
func agent(t *testing.T) objects {
	t.Helper()
	text, err := os.ReadFile(manifest)
	all := make(objects)
	if err == nil {
		err = decode(string(text), all)
	}
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// bare takes off what Helm adds to objects: labels, and the sum of the settings, which is what makes new pods.
func bare(t *testing.T, o runtime.Object) runtime.Object {
	t.Helper()
	o = o.DeepCopyObject()
	labels := []map[string]string{o.(metav1.Object).GetLabels()}
	if d, ok := o.(*appsv1.DaemonSet); ok {
		labels = append(labels, d.Spec.Selector.MatchLabels, d.Spec.Template.Labels)
		delete(d.Spec.Template.Annotations, "checksum/settings")
	}
	for _, l := range labels {
		for _, key := range []string{"helm.sh/chart", "app.kubernetes.io/managed-by", "app.kubernetes.io/instance"} {
			delete(l, key)
		}
	}
	return o
}

// same fails unless an object is what is wanted, but for what Helm adds.
func same(t *testing.T, got, want runtime.Object) {
	t.Helper()
	if got = bare(t, got); !equality.Semantic.DeepEqual(got, want) {
		a, _ := yaml.Marshal(got)
		b, _ := yaml.Marshal(want)
		t.Errorf("the chart has\n%s\nwant\n%s", a, b)
	}
}

// settings are those of the agent in a ConfigMap, which they are taken from.
func settings(t *testing.T, all objects) (s map[string]any) {
	t.Helper()
	c := get[*corev1.ConfigMap](t, all)
	if err := yaml.UnmarshalStrict([]byte(c.Data["agent.yaml"]), &s); err != nil || len(s) == 0 {
		t.Fatalf("%q: %v", c.Data["agent.yaml"], err)
	}
	c.Data = nil
	return s
}

// Without values the chart is the manifest, but for the namespace: that has to be there before a release of Helm can be in it.
func TestChartIsTheManifest(t *testing.T) {
	want := agent(t)
	got, notes := rendered(t, "")
	if a, b := settings(t, got), settings(t, want); !equality.Semantic.DeepEqual(a, b) {
		t.Errorf("settings %v, want %v", a, b)
	}
	namespace := get[*corev1.Namespace](t, want)
	delete(want, "Namespace")
	for kind, object := range want {
		if got[kind] == nil {
			t.Errorf("the chart has no %s", kind)
			continue
		}
		same(t, got[kind], object)
	}
	if len(got) != len(want) {
		t.Errorf("the chart has %v", slices.Collect(maps.Keys(got)))
	}
	for key, value := range namespace.Labels {
		if text := "kubectl label namespace mayfly " + key + "=" + value; !strings.Contains(notes, text) {
			t.Errorf("the notes have no %q:\n%s", text, notes)
		}
	}
	if !strings.Contains(notes, "no image at registry.example/mayfly") {
		t.Errorf("the notes do not say that an image is missing:\n%s", notes)
	}
}

// changed are values of which each is another one than the chart's.
const changed = `
image: {repository: registry.example:5000/shop/mayfly, digest: "sha256:` + digest + `", pullPolicy: IfNotPresent}
imagePullSecrets: [{name: pull}]
settings:
  otlp: null
  pyroscope: https://pyroscope.example
  select: ["namespace=shop,env:TIER!=batch", name=etcd]
  metrics: "[::]:9999"
  queue-limit: 1000000
  output: /queue
env:
  - name: OTEL_EXPORTER_OTLP_HEADERS
    valueFrom: {secretKeyRef: {name: otlp, key: headers}}
resourceAttributes: {k8s.cluster.name: prod, cloud.region: eu-1}
queue: {hostPath: /var/lib/mayfly}
resources: {requests: {cpu: 50m}, limits: {memory: null, cpu: 1}}
nodeSelector: {pool: web}
tolerations: [{key: dedicated, operator: Equal, value: web, effect: NoSchedule}]
priorityClassName: system-node-critical
serviceAccount: {name: other, annotations: {a: b}}
podAnnotations: {prometheus.io/scrape: "true"}
podMonitor: {enabled: true, interval: 30s, labels: {release: prometheus}}
global: {anything: else}
`

const digest = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0"

// wanted is what these make of the manifest.
func wanted(t *testing.T) *appsv1.DaemonSet {
	t.Helper()
	d := get[*appsv1.DaemonSet](t, agent(t))
	kind, once := corev1.HostPathDirectoryOrCreate, resource.MustParse
	d.Name, d.Namespace = "shop-mayfly-agent", "observed"
	d.Spec.Template.Annotations = map[string]string{"prometheus.io/scrape": "true"}
	spec := &d.Spec.Template.Spec
	spec.ServiceAccountName, spec.PriorityClassName = "other", "system-node-critical"
	spec.ImagePullSecrets = []corev1.LocalObjectReference{{Name: "pull"}}
	spec.NodeSelector["pool"] = "web"
	spec.Tolerations = []corev1.Toleration{{Key: "dedicated", Operator: "Equal", Value: "web", Effect: "NoSchedule"}}
	spec.Volumes[0].ConfigMap.Name = d.Name
	spec.Volumes[1].VolumeSource = corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/var/lib/mayfly", Type: &kind}}
	c := &spec.Containers[0]
	c.Image, c.ImagePullPolicy = "registry.example:5000/shop/mayfly@sha256:"+digest, corev1.PullIfNotPresent
	c.Env[1].Value += ",cloud.region=eu-1,k8s.cluster.name=prod"
	secret := &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "otlp"}, Key: "headers"}
	c.Env = append(c.Env, corev1.EnvVar{Name: "OTEL_EXPORTER_OTLP_HEADERS", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: secret}})
	c.Ports[0].ContainerPort, c.VolumeMounts[1].MountPath = 9999, "/queue"
	c.Resources.Requests[corev1.ResourceCPU] = once("50m")
	c.Resources.Limits = corev1.ResourceList{corev1.ResourceCPU: once("1")}
	return d
}

// Each value does what it is for, and nothing else.
func TestValues(t *testing.T) {
	got, notes, err := render(changed, "shop", "observed")
	if err != nil {
		t.Fatal(err)
	}
	same(t, got["DaemonSet"], wanted(t))
	const text = "max-overhead: 5%\nmetrics: '[::]:9999'\noutput: /queue\npyroscope: https://pyroscope.example\nqueue-limit: 1000000\n" +
		"select:\n- namespace=shop,env:TIER!=batch\n- name=etcd\n"
	if c := get[*corev1.ConfigMap](t, got); c.Data["agent.yaml"] != text || c.Name != "shop-mayfly-agent" || c.Namespace != "observed" {
		t.Errorf("ConfigMap %s/%s: %s", c.Namespace, c.Name, c.Data["agent.yaml"])
	}
	account := get[*corev1.ServiceAccount](t, got)
	if account.Name != "other" || account.Annotations["a"] != "b" || *account.AutomountServiceAccountToken {
		t.Errorf("account %+v", account)
	}
	monitor, pods := get[*monitoringv1.PodMonitor](t, got), get[*appsv1.DaemonSet](t, got).Spec
	endpoint := monitor.Spec.PodMetricsEndpoints[0]
	port := pods.Template.Spec.Containers[0].Ports[0].Name
	if *endpoint.Port != port || endpoint.Interval != "30s" || monitor.Labels["release"] != "prometheus" {
		t.Errorf("monitor %+v", monitor)
	}
	for _, of := range []map[string]string{monitor.Spec.Selector.MatchLabels, pods.Selector.MatchLabels} {
		if want := map[string]string{"app.kubernetes.io/name": "mayfly-agent", "app.kubernetes.io/instance": "shop"}; !maps.Equal(of, want) {
			t.Errorf("pods are selected by %v, want %v", of, want)
		}
		for key, value := range of {
			if pods.Template.Labels[key] != value {
				t.Errorf("pods have no label %s=%s", key, value)
			}
		}
	}
	if strings.Contains(notes, "no image") || !strings.Contains(notes, "https://pyroscope.example") {
		t.Errorf("notes:\n%s", notes)
	}
}

// Other settings are other pods, and only those; without metrics nobody asks for them; an account that is not to be made is somebody's.
func TestFewValues(t *testing.T) {
	sum := func(values string) string {
		all, _ := rendered(t, values)
		return get[*appsv1.DaemonSet](t, all).Spec.Template.Annotations["checksum/settings"]
	}
	if a, b, c := sum(""), sum("settings: {rate: 101}"), sum("priorityClassName: x"); a == "" || a == b || a != c {
		t.Errorf("sums %q, %q with other settings, %q with the same", a, b, c)
	}
	all, _ := rendered(t, "settings: {metrics: null, rade: 97}\nserviceAccount: {create: false}\nresources: null")
	want := get[*appsv1.DaemonSet](t, agent(t))
	c := &want.Spec.Template.Spec.Containers[0]
	c.Ports, c.LivenessProbe, c.ReadinessProbe, c.Resources = nil, nil, nil, corev1.ResourceRequirements{}
	want.Spec.Template.Spec.ServiceAccountName = "default"
	same(t, all["DaemonSet"], want)
	if s := settings(t, all); s["rade"] != 97. || s["metrics"] != nil || all["ServiceAccount"] != nil {
		t.Errorf("settings %v, objects %v: unknown keys are for the agent to refuse", s, slices.Collect(maps.Keys(all)))
	}
}

// denials are what each level of Pod Security has against the pods.
func denials(t *testing.T, all objects) (reasons []string) {
	t.Helper()
	e, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	pods := get[*appsv1.DaemonSet](t, all).Spec.Template
	for _, level := range []api.Level{api.LevelPrivileged, api.LevelBaseline, api.LevelRestricted} {
		at := api.LevelVersion{Level: level, Version: api.LatestVersion()}
		r := policy.AggregateCheckResults(e.EvaluatePod(at, &pods.ObjectMeta, &pods.Spec))
		for i, reason := range r.ForbiddenReasons {
			reasons = append(reasons, string(level)+": "+reason+": "+r.ForbiddenDetails[i])
		}
	}
	return reasons
}

// No values give the pods more rights than the manifest has, but for the folder of the node that the queue may be in.
func TestRights(t *testing.T) {
	want := denials(t, agent(t))
	if len(want) < 4 {
		t.Fatalf("the manifest is refused for %q only", want)
	}
	for name, values := range map[string]string{"default": "", "changed": changed, "hostPath": "queue: {hostPath: /q}"} {
		all, _ := rendered(t, values)
		var more []string
		for _, reason := range denials(t, all) {
			if !slices.Contains(want, reason) {
				more = append(more, reason)
			}
		}
		if folder := name != "default"; len(more) > 0 != folder || folder && !strings.HasPrefix(more[0], "baseline: hostPath volumes") {
			t.Errorf("%s: refused for %q, too", name, more)
		}
		spec, own := get[*appsv1.DaemonSet](t, all).Spec.Template.Spec, get[*appsv1.DaemonSet](t, agent(t)).Spec.Template.Spec
		equal := equality.Semantic.DeepEqual
		if !equal(spec.Containers[0].SecurityContext, own.Containers[0].SecurityContext) || len(spec.Containers) != 1 ||
			!equal(spec.SecurityContext, own.SecurityContext) || spec.HostNetwork || spec.HostIPC {
			t.Errorf("%s: other rights than the manifest's: %+v", name, spec)
		}
	}
}

// What is wrong with values is an error that names them.
func TestTypos(t *testing.T) {
	for values, want := range map[string]string{
		"imagee: {}":                                             "imagee",
		"image: {tga: x}":                                        "tga",
		"image: {digest: latest}":                                "/image/digest",
		"image: {tag: 'a b'}":                                    "/image/tag",
		"image: {tag: 1.2}":                                      "/image/tag",
		"image: {pullPolicy: Sometimes}":                         "/image/pullPolicy",
		"privileged: true":                                       "privileged",
		"securityContext: {privileged: true}":                    "securityContext",
		"hostNetwork: true":                                      "hostNetwork",
		"settings: {metrics: ':9464'}":                           "/settings/metrics",
		"settings: {metrics: '127.0.0.1:9464'}":                  "/settings/metrics",
		"settings: {output: queue}":                              "/settings/output",
		"settings: {output: null}":                               "output",
		"settings: {select: {name: etcd}}":                       "/settings/select",
		"settings: null":                                         "settings",
		"env: [{value: x}]":                                      "name",
		"env: [{name: NODE_NAME, value: x}]":                     "/env/0/name",
		"env: {A: b}":                                            "/env",
		"resourceAttributes: {service.name: x}":                  "service.name",
		"resourceAttributes: {host.type: 'a,host.id=0'}":         "/resourceAttributes/host.type",
		"queue: {hostpath: /x}":                                  "hostpath",
		"queue: {hostPath: x}":                                   "/queue/hostPath",
		"queue: {sizeLimit: ''}":                                 "/queue/sizeLimit",
		"resources: {limit: {}}":                                 "limit",
		"nodeSelector: {gpu: true}":                              "/nodeSelector/gpu",
		"tolerations: {operator: Exists}":                        "/tolerations",
		"tolerations: [{op: Exists}]":                            "op",
		"serviceAccount: {create: 'yes'}":                        "/serviceAccount/create",
		"podMonitor: {enabled: true}\nsettings: {metrics: null}": "there is nothing to ask for",
	} {
		if _, _, err := render(values, "mayfly-agent", "mayfly"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q in it", values, err, want)
		}
	}
}

// helm lint has nothing to say, whatever the values; and it would say so.
func TestLint(t *testing.T) {
	lints := func(folder, values string) (said []string) {
		given, err := common.ReadValues([]byte(values))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range lint.RunAll(folder, given, "mayfly").Messages {
			if m.Severity > support.InfoSev { // which is for an icon
				said = append(said, m.Error())
			}
		}
		return said
	}
	for _, values := range []string{"", changed} {
		if said := lints(folder, values); len(said) > 0 {
			t.Errorf("with %q: %q", values, said)
		}
	}
	if said := lints(folder, "imagee: {}"); len(said) == 0 {
		t.Error("a value that is none passes")
	}
	broken := t.TempDir()
	err := os.CopyFS(broken, os.DirFS(folder))
	if err == nil {
		err = os.WriteFile(filepath.Join(broken, "templates", "configmap.yaml"), []byte("kind: [\n"), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if said := lints(broken, ""); len(said) == 0 {
		t.Error("a template that is no YAML passes")
	}
}
