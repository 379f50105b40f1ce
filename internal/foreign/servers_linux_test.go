//go:build foreign

package foreign

import (
	"context"
	"debug/buildinfo"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/target"
)

// make foreign runs this: whole servers, built from the module proxy or by Debian, under load.

var (
	debian = flag.String("debian", "", "folder with Debian's prometheus, docker.io, containerd and runc, unpacked into folders of these names")
	length = flag.Duration("length", 8*time.Second, "of a recording")
)

// A server is a program that somebody else wrote, and who asks it.
type server struct {
	name   string
	strip  bool
	exe    string // in the folder of what was built, or in that of Debian's packages
	debian bool
	args   func(dir, addr string) []string
	load   []string // program and flags
	scopes []scope
}

var labelledCalls = []scope{{
	below:  []string{"google.golang.org/grpc.(*Server).processUnaryRPC", "google.golang.org/grpc.(*Server).processStreamingRPC"},
	labels: map[string]string{"grpc.method": "*"},
}}

var servers = []server{
	{name: "etcd", exe: "server", args: etcd, load: []string{"loadetcd", "-clients=32"}, scopes: labelledCalls},
	{name: "etcd, 1000 requests/s", exe: "server", args: etcd,
		load: []string{"loadetcd", "-clients=32", "-rate=1000"}, scopes: labelledCalls},
	{name: "etcd, stripped", strip: true, exe: "server", args: etcd,
		load: []string{"loadetcd", "-clients=32", "-rate=1000"}, scopes: labelledCalls},
	{name: "caddy", exe: "caddy", args: caddy, load: []string{"loadhttp", "-path=/page"}},
	{name: "caddy, stripped, no keep-alive", strip: true, exe: "caddy", args: caddy,
		load: []string{"loadhttp", "-path=/page", "-once"}},
	{name: "nats-server", exe: "nats-server", args: nats, load: []string{"loadnats"}},
	{name: "nats-server, stripped", strip: true, exe: "nats-server", args: nats, load: []string{"loadnats", "-rate=2000"}},
	{name: "prometheus", debian: true, exe: "prometheus/usr/bin/prometheus", args: prometheus,
		load: []string{"loadhttp", "-clients=4", "-path=/api/v1/query?query=sum(rate(prometheus_http_requests_total[5s]))"}},
	{name: "dockerd", debian: true, exe: "docker.io/usr/sbin/dockerd", args: dockerd,
		load: []string{"loadhttp", "-clients=4", "-path=/containers/json?all=1"}},
}

func etcd(dir, addr string) []string {
	peer := "http://" + free()
	return []string{"--data-dir=" + dir, "--log-level=error", "--unsafe-no-fsync",
		"--listen-client-urls=http://" + addr, "--advertise-client-urls=http://" + addr,
		"--listen-peer-urls=" + peer, "--initial-advertise-peer-urls=" + peer, "--initial-cluster=default=" + peer}
}

func caddy(dir, addr string) []string {
	os.WriteFile(filepath.Join(dir, "page"), []byte(strings.Repeat("mayflies live for a day\n", 500)), 0o644)
	return []string{"file-server", "--listen=" + addr, "--root=" + dir}
}

func nats(_, addr string) []string {
	host, port, _ := net.SplitHostPort(addr)
	return []string{"-a", host, "-p", port}
}

func prometheus(dir, addr string) []string {
	config := filepath.Join(dir, "prometheus.yml")
	text := "global: {scrape_interval: 100ms, scrape_timeout: 100ms}\nscrape_configs:\n- {job_name: self, static_configs: [{targets: [%q]}]}\n"
	os.WriteFile(config, fmt.Appendf(nil, text, addr), 0o644)
	return []string{"--config.file=" + config, "--storage.tsdb.path=" + dir, "--web.listen-address=" + addr,
		"--web.console.templates=" + dir, "--web.console.libraries=" + dir}
}

func dockerd(dir, addr string) []string {
	return []string{"-H=tcp://" + addr, "--bridge=none", "--iptables=false", "--ip-forward=false", "--storage-driver=vfs",
		"--data-root=" + dir + "/data", "--exec-root=" + dir + "/exec", "--pidfile=" + dir + "/pid"}
}

// TestServers holds the facts against servers under load and prints a row for each.
func TestServers(t *testing.T) {
	rows := []string{"| program | Go | requests/s | p99 | samples | scans/s | rooted | labelled: CPU | wall | lost | CPU | states |",
		"| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"}
	for _, s := range servers {
		t.Run(s.name, func(t *testing.T) {
			o, asked := s.record(t)
			f := o.facts(s.scopes)
			t.Log(f)
			rows = append(rows, s.row(t, o, f, asked))
			f.hold(t, o.rec.Summary)
			readable(t, o.rec.Profile)
		})
	}
	fmt.Println(strings.Join(rows, "\n"))
}

// record starts the server and its load and records it once the load runs.
func (s server) record(t *testing.T) (o observed, asked string) {
	t.Setenv("GRPC_GO_SERVER_GOROUTINE_LABELS", "all")
	addr := free()
	pid := s.start(t, addr)
	// The load runs for longer than it takes to attach and to record, and is told to end by its own clock.
	args := append([]string{"-addr=" + addr, "-d=" + (*length + 6*time.Second).String()}, s.load[1:]...)
	load := exec.CommandContext(t.Context(), filepath.Join(target.ForeignServers(t, target.Build{}), s.load[0]), args...)
	var out strings.Builder
	load.Stdout, load.Stderr = &out, os.Stderr
	if err := load.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * time.Second)
	o = observe(t, pid, *length, func() {})
	if err := load.Wait(); err != nil {
		t.Fatalf("%s: %v", s.load, err)
	}
	return o, out.String()
}

func (s server) path(t *testing.T) string {
	if !s.debian {
		return filepath.Join(target.ForeignServers(t, target.Build{Strip: s.strip}), s.exe)
	}
	path := filepath.Join(*debian, s.exe)
	if _, err := os.Stat(path); *debian == "" || err != nil {
		none := errors.Join(err, errors.New("-debian names no folder with it"))
		target.NeedForeign(t, &target.UnavailableError{What: "package of Debian for " + s.name, Err: none})
	}
	return path
}

// start starts the server, waits until it listens, and ends it with the test.
func (s server) start(t *testing.T, addr string) (pid int) {
	exe, dir := s.path(t), t.TempDir()
	cmd := exec.Command(exe, s.args(dir, addr)...)
	var said strings.Builder
	cmd.Stdout, cmd.Stderr, cmd.Dir = &said, &said, dir
	cmd.Env = append(os.Environ(), "HOME="+dir)
	if s.debian {
		path := strings.Join([]string{*debian + "/containerd/usr/bin", *debian + "/runc/usr/sbin", os.Getenv("PATH")}, ":")
		cmd.Env = append(cmd.Env, "PATH="+path)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		timer := time.AfterFunc(20*time.Second, func() { cmd.Process.Kill() })
		defer timer.Stop()
		cmd.Wait()
	})
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if c, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", addr); err == nil {
			c.Close()
			return cmd.Process.Pid
		}
	}
	t.Fatalf("%s does not listen on %s\n%s", exe, addr, said.String())
	return 0
}

var rps = regexp.MustCompile(`rps=(\S+) .*p99=(\S+)`)

func (s server) row(t *testing.T, o observed, f facts, asked string) string {
	goVersion := "?"
	if info, err := buildinfo.ReadFile(s.path(t)); err == nil {
		goVersion = strings.TrimPrefix(info.GoVersion, "go")
	}
	answered := rps.FindStringSubmatch(asked)
	if answered == nil {
		t.Fatalf("the load said %q", asked)
	}
	labelled := [2]string{"-", "-"}
	if f.scoped[1] > 0 {
		labelled = [2]string{fmt.Sprintf("%.2f %%", 100*f.labelledCPU), fmt.Sprintf("%.2f %%", 100*f.labelled)}
	}
	sum := o.rec.Summary
	scans := sum.Table.Rate - float64(sum.Table.Missed)/(float64(o.rec.Profile.DurationNanos)/1e9)
	return fmt.Sprintf("| %s | %s | %s | %s | %d | %.0f ", s.name, goVersion, answered[1], answered[2], sum.CPU.Samples, scans) +
		fmt.Sprintf("| %.2f %% | %s | %s | %.2f %% | %+.2f %% | %+.1f %% |",
			100*f.rooted, labelled[0], labelled[1], 100*f.lost, 100*f.cpuOff, 100*f.statesOff)
}

// free is an address on loopback that nobody listens on.
func free() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "127.0.0.1:0"
	}
	defer l.Close()
	return l.Addr().String()
}
