package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/mayfly-profiler/mayfly/profiler"
)

// What docs/kubernetes says is held against mayfly here; that it is what Kubernetes takes, in cmd/kubectl-mayfly, which has its libraries.

func kubernetes(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// manifest is what of docs/kubernetes/agent.yaml matters to mayfly.
type manifest struct {
	Kind string
	Data map[string]string
	Spec struct {
		Template struct {
			Spec struct {
				Containers []struct {
					Args            []string
					SecurityContext struct {
						Capabilities struct{ Add []string }
					} `yaml:"securityContext"`
					VolumeMounts []struct {
						Name      string
						MountPath string `yaml:"mountPath"`
					} `yaml:"volumeMounts"`
				}
			}
		}
	}
}

func manifests(t *testing.T) (settings string, daemon manifest) {
	t.Helper()
	for d := yaml.NewDecoder(bytes.NewReader(kubernetes(t, "kubernetes/agent.yaml"))); ; {
		var m manifest
		if err := d.Decode(&m); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		switch m.Kind {
		case "ConfigMap":
			settings = m.Data["agent.yaml"]
		case "DaemonSet":
			daemon = m
		}
	}
	if settings == "" || len(daemon.Spec.Template.Spec.Containers) != 1 {
		t.Fatalf("settings %q, %d containers", settings, len(daemon.Spec.Template.Spec.Containers))
	}
	return settings, daemon
}

// The settings of the manifest are settings, and name the folders that are mounted.
func TestKubernetesSettings(t *testing.T) {
	settings, daemon := manifests(t)
	f, err := read(t, settings, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := daemon.Spec.Template.Spec.Containers[0]
	mounted := make(map[string]string)
	for _, m := range c.VolumeMounts {
		mounted[m.Name] = m.MountPath
	}
	if f.output != mounted["queue"] || !slices.Equal(c.Args, []string{"agent", "--config", mounted["config"] + "/agent.yaml"}) {
		t.Errorf("output %s, arguments %q, mounted %v", f.output, c.Args, mounted)
	}
	if f.metrics != "0.0.0.0:9464" || len(f.servers) != 1 {
		t.Errorf("metrics at %s, which the kubelet is to reach; %d servers", f.metrics, len(f.servers))
	}
}

// The table of docs/kubernetes.md says of each capability what mayfly doctor says when it alone is missing.
func TestKubernetesCapabilities(t *testing.T) {
	said := make(map[string]string)
	row := regexp.MustCompile("(?m)^\\| `([A-Z_]+)` \\| [^|]* \\| (.*) \\|$")
	for _, m := range row.FindAllStringSubmatch(string(kubernetes(t, "kubernetes.md")), -1) {
		said[m[1]] = m[2]
	}
	_, daemon := manifests(t)
	added := daemon.Spec.Template.Spec.Containers[0].SecurityContext.Capabilities.Add
	denied := errors.New("denied")
	for name, change := range map[string]func(*host){
		"BPF":        func(h *host) { h.rights.CapBPF, h.ladder[0].Err = false, denied },
		"PERFMON":    func(h *host) { h.rights.CapPerfmon, h.ladder[0].Err, h.ladder[1].Err = false, denied, denied },
		"SYS_PTRACE": func(h *host) { h.rights.CapSysPtrace = false },
		"SYSLOG":     func(h *host) { h.rights.CapSyslog = false },
	} {
		h := able()
		h.container, h.ladder = "kubernetes", []profiler.Rung{{Engine: profiler.EBPF}, {Engine: profiler.Perf}, {Engine: profiler.Table}}
		change(&h)
		var lacks []string
		for _, c := range h.checks() {
			if c.Status != ok && !strings.HasPrefix(c.Name, "engine ") {
				lacks = append(lacks, c.Without)
			}
		}
		if want := strings.Join(lacks, "; "); said[name] != want || want == "" {
			t.Errorf("%s: the page says %q, the doctor %q", name, said[name], want)
		}
		if !slices.Contains(added, name) || !strings.Contains(h.remedies().Kubernetes, name) {
			t.Errorf("%s is not in the manifest, %q, or not in the doctor's remedy", name, added)
		}
		delete(said, name)
	}
	if len(said) > 0 || len(added) != 4 {
		t.Errorf("the page has %v, too; the manifest %q", said, added)
	}
}
