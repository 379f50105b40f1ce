package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/remotecommand"
)

// fake plays an API server with one pod, web in the namespace shop.
type fake struct {
	t      *testing.T
	server *httptest.Server

	mu    sync.Mutex
	pod   *corev1.Pod
	added []corev1.EphemeralContainer

	reviews []authorizationv1.ResourceAttributes // what somebody wanted to know whether he may do it
	may     func(right) bool                     // nil: everything

	get, patch, exec, review *metav1.Status                      // refusals
	state                    corev1.ContainerState               // of what is added; the zero value: it is not there yet
	command                  func(line []string, x *streams) int // what is executed; its exit code
}

// streams are those of a command that is executed.
type streams struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	drop           func() // breaks the connection
}

func newFake(t *testing.T) *fake {
	t.Helper()
	f := &fake{t: t, pod: restricted(), state: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}
	f.pod.Name, f.pod.Namespace, f.pod.Status.Phase = "web", "shop", corev1.PodRunning
	f.pod.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}
	f.running("web")
	const pod = "/api/v1/namespaces/shop/pods/{name}"
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+pod, f.answerGet)
	mux.HandleFunc("PATCH "+pod+"/ephemeralcontainers", f.answerPatch)
	mux.HandleFunc(pod+"/exec", f.answerExec)
	mux.HandleFunc("POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews", f.answerReview)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { t.Errorf("%s %s was asked for", r.Method, r.URL) })
	f.server = httptest.NewServer(mux)
	t.Cleanup(f.server.Close)
	return f
}

// running has a container of the pod run.
func (f *fake) running(name string) {
	f.pod.Status.ContainerStatuses = append(f.pod.Status.ContainerStatuses, corev1.ContainerStatus{Name: name,
		ContainerID: "containerd://" + strings.Repeat("0f", 32), State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}})
}

func refuse(w http.ResponseWriter, s *metav1.Status) {
	s.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}
	answer(w, int(s.Code), s)
}

func answer(w http.ResponseWriter, code int, object any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(object)
}

var pods = schema.GroupResource{Resource: "pods"}

func forbidden(why string) *metav1.Status {
	return &apierrors.NewForbidden(pods, "web", errors.New(why)).ErrStatus
}

func (f *fake) answerGet(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.get != nil:
		refuse(w, f.get)
	case r.PathValue("name") != f.pod.Name:
		refuse(w, &apierrors.NewNotFound(pods, r.PathValue("name")).ErrStatus)
	default:
		pod := f.pod.DeepCopy()
		for _, c := range f.added {
			pod.Status.EphemeralContainerStatuses = append(pod.Status.EphemeralContainerStatuses,
				corev1.ContainerStatus{Name: c.Name, State: f.state})
		}
		answer(w, http.StatusOK, pod)
	}
}

func (f *fake) answerPatch(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var patch struct{ Spec corev1.PodSpec }
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	switch err := d.Decode(&patch); {
	case err != nil || r.Header.Get("Content-Type") != "application/strategic-merge-patch+json" || len(patch.Spec.EphemeralContainers) != 1:
		f.t.Errorf("a patch of %s: %+v, %v", r.Header.Get("Content-Type"), patch, err)
		refuse(w, &apierrors.NewBadRequest("no patch").ErrStatus)
	case f.patch != nil:
		refuse(w, f.patch)
	default:
		f.added = append(f.added, patch.Spec.EphemeralContainers...)
		answer(w, http.StatusOK, f.pod)
	}
}

func (f *fake) answerReview(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var review authorizationv1.SelfSubjectAccessReview
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	switch err := d.Decode(&review); {
	case err != nil || review.Kind != "SelfSubjectAccessReview" || review.APIVersion != "authorization.k8s.io/v1":
		f.t.Errorf("a review of %+v, %v", review, err)
		refuse(w, &apierrors.NewBadRequest("no review").ErrStatus)
	case f.review != nil:
		refuse(w, f.review)
	default:
		of := *review.Spec.ResourceAttributes
		f.reviews = append(f.reviews, of)
		review.Status.Allowed = f.may == nil || f.may(right{of.Verb, of.Subresource})
		answer(w, http.StatusCreated, review)
	}
}

// answerExec speaks v5.channel.k8s.io: binary messages with the number of the stream before their bytes, and 255 before the number of one
// that ends.
func (f *fake) answerExec(w http.ResponseWriter, r *http.Request) {
	if f.exec != nil {
		refuse(w, f.exec)
		return
	}
	q := r.URL.Query()
	f.mu.Lock()
	if len(f.added) != 1 || q.Get("container") != f.added[0].Name || q.Get("stdin") != "true" || q.Get("tty") == "true" {
		f.t.Errorf("exec with %v", q)
	}
	f.mu.Unlock()
	up := websocket.Upgrader{Subprotocols: []string{remotecommand.StreamProtocolV5Name}}
	conn, err := up.Upgrade(w, r, nil)
	if err != nil {
		f.t.Error(err)
		return
	}
	defer conn.Close()
	stdin, typed := io.Pipe()
	go demultiplex(conn, typed)
	var mu sync.Mutex
	stream := func(number byte) io.Writer {
		return writer(func(b []byte) error {
			mu.Lock()
			defer mu.Unlock()
			return conn.WriteMessage(websocket.BinaryMessage, append([]byte{number}, b...))
		})
	}
	x := &streams{stdin, stream(remotecommand.StreamStdOut), stream(remotecommand.StreamStdErr), func() { conn.NetConn().Close() }}
	code := f.command(q["command"], x)
	status := metav1.Status{Status: metav1.StatusSuccess}
	if code != 0 {
		status = metav1.Status{Status: metav1.StatusFailure, Reason: remotecommand.NonZeroExitCodeReason, Details: &metav1.StatusDetails{
			Causes: []metav1.StatusCause{{Type: remotecommand.ExitCodeCauseType, Message: strconv.Itoa(code)}}}}
	}
	text, _ := json.Marshal(status)
	stream(remotecommand.StreamErr).Write(text)
	conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), time.Now().Add(time.Second))
}

// demultiplex passes on what is typed, until that ends.
func demultiplex(conn *websocket.Conn, typed *io.PipeWriter) {
	for {
		_, b, err := conn.ReadMessage()
		switch {
		case err != nil, len(b) == 2 && b[0] == remotecommand.StreamClose && b[1] == remotecommand.StreamStdIn:
			typed.Close()
			return
		case len(b) > 1 && b[0] == remotecommand.StreamStdIn:
			typed.Write(b[1:])
		}
	}
}

type writer func([]byte) error

func (w writer) Write(b []byte) (int, error) { return len(b), w(b) }

// result is what a run of the plugin came to.
type result struct {
	code           int
	said           string // the error
	stdout, stderr string
	dir            string
}

// run runs the plugin against the server.
func (f *fake) run(ctx context.Context, args ...string) result {
	f.t.Helper()
	r := result{dir: f.t.TempDir()}
	config := filepath.Join(r.dir, "config")
	text := `{"apiVersion":"v1","kind":"Config","current-context":"c","clusters":[{"name":"c","cluster":{"server":"` + f.server.URL +
		`"}}],"contexts":[{"name":"c","context":{"cluster":"c","namespace":"shop","user":"u"}}],"users":[{"name":"u","user":{}}]}`
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		f.t.Fatal(err)
	}
	f.t.Chdir(r.dir)
	var stdout, stderr bytes.Buffer
	e := &env{stdout: &stdout, stderr: &stderr, getenv: func(name string) string {
		return map[string]string{imageVariable: "mayfly:test"}[name]
	}}
	err := run(ctx, e, append([]string{args[0], "--kubeconfig", config}, args[1:]...))
	r.code, r.said, r.stdout, r.stderr = exitCode(err), message(err), stdout.String(), stderr.String()
	return r
}
