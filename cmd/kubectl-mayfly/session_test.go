package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/pod-security-admission/api"
	"sigs.k8s.io/yaml"
)

func sealOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return sealMark + string(sum[:])
}

// prints is a command that prints a text with its seal, in pieces.
func prints(text string, code int) func([]string, *streams) int {
	return func(_ []string, x *streams) int {
		for piece := range slices.Chunk([]byte(text+sealOf(text)), 7) {
			x.stdout.Write(piece)
		}
		return code
	}
}

// A result arrives as it was printed, and with mayfly's exit code.
func TestSessions(t *testing.T) {
	profile := strings.Repeat("\x1f\x8b\x00mayfly\x00\xff", 1000)
	for _, tt := range []struct {
		args, text string
		code       int
		file       string
		line       string // what is executed
	}{
		{"record web -o x.pb.gz -d 5s -- --timeline", profile, 0, "x.pb.gz", "mayfly remote --most 2m5s -- record --timeline -o - -d 5s"},
		{"record pod/web", profile, 0, "mayfly.pb.gz", "mayfly remote --most 2m10s -- record -o - -d 10s"},
		{"record web -o -", profile, 0, "", "mayfly remote --most 2m10s -- record -o - -d 10s"},
		{"report web -- --slo p99<1s", "slow\n", 3, "", "mayfly remote --most 2m30s -- report --slo p99<1s -d 30s"},
		{"top web -d 1m --pid 7", "a\tb\n", 0, "", "mayfly remote --most 1m0s --pid 7 -- top"},
		{"dump web -c web --select name=x", "goroutine 1\n", 0, "", "mayfly remote --most 2m0s --select name=x -- dump"},
	} {
		t.Run(tt.args, func(t *testing.T) {
			f := newFake(t)
			var line []string
			f.command = func(l []string, x *streams) int { line = l; return prints(tt.text, tt.code)(l, x) }
			r := f.run(t.Context(), strings.Fields(tt.args)...)
			if r.code != tt.code || r.said != "" {
				t.Errorf("exit code %d, %q, %s", r.code, r.said, r.stderr)
			}
			got := r.stdout
			if tt.file != "" {
				b, err := os.ReadFile(filepath.Join(r.dir, tt.file))
				if err != nil {
					t.Fatal(err)
				}
				got = string(b)
			}
			if got != tt.text || strings.Join(line, " ") != tt.line {
				t.Errorf("%d bytes of %d, by %q", len(got), len(tt.text), line)
			}
			if left, _ := filepath.Glob(filepath.Join(r.dir, ".*")); len(left) > 0 {
				t.Errorf("left: %q", left)
			}
			if c := f.added[0]; c.TargetContainerName != "web" || c.Image != "mayfly:test" || c.Args[0] != "remote" {
				t.Errorf("added: %+v", c)
			}
		})
	}
}

// What a terminal takes for more than text does not get there, whoever wrote it.
func TestNothingHostileIsPrinted(t *testing.T) {
	f := newFake(t)
	f.command = func(_ []string, x *streams) int {
		for _, b := range []byte("\x1b]0;title\x07é\xc2\x9b31m") { // byte by byte
			x.stderr.Write([]byte{b})
		}
		return prints("\x1b[2Jä\u202e\xff\n", 0)(nil, x)
	}
	r := f.run(t.Context(), "dump", "web")
	if want := "\uFFFD[2Jä\uFFFD\uFFFD\n"; r.stdout != want {
		t.Errorf("stdout %q, want %q", r.stdout, want)
	}
	if want := "\uFFFD]0;title\uFFFDé\uFFFD31m"; !strings.HasSuffix(r.stderr, want) {
		t.Errorf("stderr %q, want %q at its end", r.stderr, want)
	}
}

// Where it does not work there is one line that says why and what to do, and no file.
func TestRefusals(t *testing.T) {
	added := restricted()
	added.Spec.EphemeralContainers = []corev1.EphemeralContainer{(&request{}).ephemeral("web")}
	denied := denials(t, api.LevelBaseline, &added.ObjectMeta, &added.Spec)
	policy := fmt.Sprintf("violates PodSecurity %q: %s", "baseline:latest", denied.ForbiddenDetail()) // as its admission says it
	for _, tt := range []struct {
		name   string
		change func(*fake)
		args   string // "": record web
		code   int
		want   []string
	}{
		{"no such pod", nil, "record wbe", 1, []string{"get the pod shop/wbe: not found: kubectl get pods -n shop"}},
		{"Pod Security", func(f *fake) { f.patch = forbidden(policy) }, "", 1, []string{
			`add a container shop/web: Pod Security "baseline:latest": non-default capabilities (`, `must not include "BPF", "PERFMON", "SYSLOG"`,
			"level privileged admits it", "--run-as UID", "kubectl port-forward", "profiler/inprocess"}},
		{"RBAC", func(f *fake) {
			f.patch = forbidden(`User "jane" cannot patch resource "pods/ephemeralcontainers" in API group "" in the namespace "shop"`)
		}, "", 1, []string{`RBAC: pods "web" is forbidden: User "jane" cannot patch resource "pods/ephemeralcontainers"`,
			"docs/kubernetes/record.yaml", "kubectl port-forward"}},
		{"RBAC of exec", func(f *fake) { f.exec = forbidden(`User "jane" cannot create resource "pods/exec" in API group ""`) }, "", 1,
			[]string{"execute mayfly in shop/web: RBAC: ", `cannot create resource "pods/exec"`, "docs/kubernetes/record.yaml"}},
		{"no right to add", func(f *fake) { f.may = func(r right) bool { return r.verb != "patch" } }, "", 1, []string{
			`add a container shop/web: RBAC: you lack what these rules give in the namespace shop: - {apiGroups: [""], ` +
				`resources: ["pods/ephemeralcontainers"], verbs: ["patch"]} (docs/kubernetes/record.yaml`, "nothing was added",
			"kubectl port-forward"}},
		{"no right at all", func(f *fake) { f.may = func(right) bool { return false } }, "", 1,
			[]string{`verbs: ["patch"]} - {apiGroups: [""], resources: ["pods/exec"], verbs: ["create"]} (`}},
		{"a webhook", func(f *fake) {
			f.patch = forbidden("admission webhook \"policy.example\" denied the request:\n\x1b[31mno\nroot")
		}, "", 1,
			[]string{`admission webhook "policy.example" denied the request: `, "31mno root", "kubectl port-forward"}},
		{"nobody", func(f *fake) { f.get = &apierrors.NewUnauthorized("Unauthorized").ErrStatus }, "", 1, []string{"does not know you"}},
		{"old cluster", func(f *fake) {
			f.patch = &apierrors.NewGenericServerResponse(404, "patch", pods, "", "not found", 0, true).ErrStatus
			f.patch.Details = nil
		}, "", 1, []string{"no ephemeral containers (Kubernetes 1.25)", "sidecar"}},
		{"away", func(f *fake) { f.server.Close() }, "", 1, []string{"cannot be reached", "connection refused"}},
		{"several containers", func(f *fake) {
			f.pod.Spec.Containers = append(f.pod.Spec.Containers, corev1.Container{Name: "proxy"})
		}, "", 2, []string{"web, proxy: --container"}},
		{"another container", nil, "record web -c prxy", 2, []string{"no container prxy, but web"}},
		{"a container that waits", func(f *fake) { f.pod.Status.ContainerStatuses = nil }, "", 1,
			[]string{"container web of pod web is not running"}},
		{"a pod that has ended", func(f *fake) { f.pod.Status.Phase = corev1.PodSucceeded }, "", 1, []string{"not running (Succeeded)"}},
		{"Windows", func(f *fake) { f.pod.Spec.OS = &corev1.PodOS{Name: corev1.Windows} }, "", 1, []string{"runs on windows"}},
		{"no image", func(f *fake) {
			f.state = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: "not found"}}
		}, "", 1, []string{"cannot run: ImagePullBackOff: not found", "--image"}},
		{"another image", func(f *fake) {
			f.state = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 127, Reason: "StartError"}}
		}, "", 1, []string{"exit code 127 (StartError): is the image mayfly's"}},
		{"never", func(f *fake) { f.state = corev1.ContainerState{} }, "record web --pod-running-timeout 1s", 1,
			[]string{"does not run after 1s"}},
		{"no pod", nil, "record", 2, []string{"want one POD"}},
		{"a command", nil, "record web -- -- sh", 2, []string{"a second --"}},
		{"no flag", nil, "record web --timeline", 2, []string{"unknown flag: --timeline"}},
		{"a deployment", nil, "record deploy/web", 2, []string{`"deploy/web" is no pod`}},
		{"as root", nil, "record web --run-as 0", 2, []string{"who is not root"}},
		{"as nobody", nil, "record web --run-as nobody", 2, []string{"UID or UID:GID"}},
		{"for a day", nil, "record web -d 24h", 2, []string{"at most 1h0m0s"}},
		{"no folder", nil, "record web -o no/x.pb.gz", 1, []string{"write no/x.pb.gz: no such file or directory"}},
		{"mayfly's own", func(f *fake) {
			f.command = func(_ []string, x *streams) int { io.WriteString(x.stderr, "mayfly: no Go process\n"); return 1 }
		}, "", 1, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			f.command = prints("", 0)
			if tt.change != nil {
				tt.change(f)
			}
			if tt.args == "" {
				tt.args = "record web"
			}
			r := f.run(t.Context(), strings.Fields(tt.args)...)
			if r.code != tt.code || strings.ContainsAny(r.said, "\n\x1b") || (r.said == "") != (tt.want == nil) {
				t.Errorf("exit code %d, %q", r.code, r.said)
			}
			for _, want := range tt.want {
				if !strings.Contains(r.said, want) {
					t.Errorf("%q, want %q in it", r.said, want)
				}
			}
			if files, _ := os.ReadDir(r.dir); len(files) != 1 { // the kubeconfig
				t.Errorf("files: %v", files)
			}
			if f.may != nil && len(f.added) > 0 {
				t.Errorf("added: %+v", f.added)
			}
		})
	}
}

// What is asked for is what is done then, of this pod; and the role in docs/kubernetes gives each of it. Who may not ask may still do it.
func TestAllowed(t *testing.T) {
	role := only[rbacv1.Role](t, "kubernetes/record.yaml") // before a run goes to another folder
	f := newFake(t)
	f.command = prints("x", 0)
	if r := f.run(t.Context(), "dump", "web"); r.code != 0 {
		t.Errorf("exit code %d, %q", r.code, r.said)
	}
	for i, r := range needed {
		want := authorizationv1.ResourceAttributes{Namespace: "shop", Name: "web", Verb: r.verb, Resource: "pods", Subresource: r.subresource}
		if len(f.reviews) != len(needed) || f.reviews[i] != want {
			t.Errorf("asked for %+v, want %+v", f.reviews, want)
		}
		var rules []rbacv1.PolicyRule
		if err := yaml.UnmarshalStrict([]byte(r.rule()), &rules); err != nil || len(rules) != 1 {
			t.Fatalf("%s: %v", r.rule(), err)
		}
		gives := func(p rbacv1.PolicyRule) bool {
			return slices.Equal(p.APIGroups, rules[0].APIGroups) && slices.Equal(p.Resources, rules[0].Resources) && slices.Contains(p.Verbs, r.verb)
		}
		if !slices.ContainsFunc(role.Rules, gives) || !gives(rules[0]) {
			t.Errorf("the role does not give %+v", r)
		}
	}
	for name, refusal := range map[string]*metav1.Status{
		"forbidden": &apierrors.NewForbidden(authorizationv1.Resource("selfsubjectaccessreviews"), "", nil).ErrStatus,
		"away":      &apierrors.NewInternalError(io.ErrUnexpectedEOF).ErrStatus,
	} {
		f := newFake(t)
		f.command, f.review = prints("x", 0), refusal
		if r := f.run(t.Context(), "dump", "web"); r.code != 0 || r.stdout != "x" {
			t.Errorf("%s: exit code %d, %q", name, r.code, r.said)
		}
	}
}

// What is not mayfly and prints without end is not taken without end.
func TestFlood(t *testing.T) {
	f := newFake(t)
	f.command = func(_ []string, x *streams) int {
		for range 2 * mostWords / 1024 {
			if _, err := x.stderr.Write(make([]byte, 1024)); err != nil {
				break
			}
		}
		io.Copy(io.Discard, x.stdin) // it does not end by itself
		return 0
	}
	if r := f.run(t.Context(), "dump", "web"); r.code != 1 || !strings.Contains(r.said, errTooMuch.Error()) || len(r.stderr) > 4*mostWords {
		t.Errorf("exit code %d, %q, %d bytes", r.code, r.said, len(r.stderr))
	}
	u := newUnsealer(io.Discard)
	u.most = 10
	if _, err := u.Write(make([]byte, 11)); err != errTooMuch {
		t.Error(err)
	}
}

// A connection that breaks loses what was recorded, and that is said: half of it is no result.
func TestBrokenConnection(t *testing.T) {
	whole := "half of a profile"
	for name, command := range map[string]func(_ []string, x *streams) int{
		"midway":          func(_ []string, x *streams) int { io.WriteString(x.stdout, whole); x.drop(); return 0 },
		"as if it ended":  func(_ []string, x *streams) int { io.WriteString(x.stdout, whole); return 0 },
		"within the seal": func(_ []string, x *streams) int { io.WriteString(x.stdout, whole+sealOf(whole)[:30]); return 0 },
		"something else":  func(_ []string, x *streams) int { io.WriteString(x.stdout, whole+sealOf("x")); return 0 },
	} {
		f := newFake(t)
		f.command = command
		r := f.run(t.Context(), "record", "web")
		if r.code != 1 || !strings.HasPrefix(r.said, "execute mayfly in shop/web: the connection broke after ") {
			t.Errorf("%s: exit code %d, %q", name, r.code, r.said)
		}
		if files, _ := os.ReadDir(r.dir); len(files) != 1 {
			t.Errorf("%s: files: %v", name, files)
		}
	}
}

// Ctrl-C ends the stdin of what is executed, and what was recorded until then still arrives.
func TestInterrupted(t *testing.T) {
	f := newFake(t)
	ctx, interrupt := context.WithCancel(t.Context())
	f.command = func(l []string, x *streams) int {
		interrupt()
		io.Copy(io.Discard, x.stdin)
		return prints("what was recorded", 0)(l, x)
	}
	r := f.run(ctx, "record", "web", "-d", "10m")
	if b, err := os.ReadFile(filepath.Join(r.dir, "mayfly.pb.gz")); r.code != 0 || string(b) != "what was recorded" {
		t.Errorf("exit code %d, %q: %q, %v", r.code, r.said, b, err)
	}
	f = newFake(t) // before the container runs there is nothing to wait for
	f.state = corev1.ContainerState{}
	ctx, interrupt = context.WithTimeout(t.Context(), time.Second)
	defer interrupt()
	if r := f.run(ctx, "record", "web"); r.code != 1 {
		t.Errorf("exit code %d, %q", r.code, r.said)
	}
}

// While somebody is there something is to be read, and then the end.
func TestBeat(t *testing.T) {
	ctx, leave := context.WithCancel(t.Context())
	r, w := io.Pipe()
	go beat(ctx, time.Millisecond, w)
	if _, err := io.ReadFull(r, make([]byte, 3)); err != nil {
		t.Error(err)
	}
	leave()
	if _, err := io.Copy(io.Discard, r); err != nil {
		t.Error(err)
	}
}

// In a pod whose containers see each other's processes those of the container are meant.
func TestSelection(t *testing.T) {
	yes, id := true, strings.Repeat("0f", 32)
	for _, tt := range []struct {
		pod     corev1.PodSpec
		selects []string
		want    []string
	}{
		{corev1.PodSpec{}, nil, nil},
		{corev1.PodSpec{}, []string{"name=x"}, []string{"name=x"}},
		{corev1.PodSpec{ShareProcessNamespace: &yes}, nil, []string{"container=" + id}},
		{corev1.PodSpec{HostPID: true}, []string{"name=x", "name=y"}, []string{"name=x,container=" + id, "name=y,container=" + id}},
	} {
		r := &request{selects: tt.selects}
		if got := r.selection(&corev1.Pod{Spec: tt.pod}, "containerd://"+id); !slices.Equal(got, tt.want) {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

// A seal is found wherever the pieces end, and what only looks like one is passed on.
func TestUnsealer(t *testing.T) {
	for _, text := range []string{"", "x", sealMark, strings.Repeat(sealMark, 9), "a" + sealMark[:3], sealOf("x"),
		strings.Repeat("\x00", 99)} {
		all := text + sealOf(text)
		for size := 1; size <= len(all); size++ {
			var out strings.Builder
			u := newUnsealer(&out)
			for piece := range slices.Chunk([]byte(all), size) {
				u.Write(piece)
			}
			if !u.intact() || out.String() != text {
				t.Fatalf("%q in pieces of %d: %q", text, size, out.String())
			}
		}
	}
}
