package proc

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strconv"
	"strings"
)

// PerfGroup is the folder of the control group that perf events of a process's group are opened with (perf_event_open(2),
// PERF_FLAG_PID_CGROUP).
type PerfGroup struct {
	*os.File
	target *Process
	text   []byte // /proc/PID/cgroup as it was
}

// errNoGroup says that a process has no group that can be told from that of all others.
var errNoGroup = errors.New("no control group of its own")

// most bytes of a cgroup.procs that are read.
const maxGroupProcs = 1 << 20

// OpenPerfGroup opens it. It fails where the process is in the root group, which all are in, where its group is outside of this process's
// cgroup namespace, and where its threads may be in groups of their own.
func (p *Process) OpenPerfGroup() (*PerfGroup, error) {
	text, err := p.read("cgroup")
	if err != nil {
		return nil, err
	}
	for _, dir := range perfFolders(string(text)) {
		f, err := os.Open(dir)
		if err != nil {
			continue
		}
		if p.alone(dir) {
			return &PerfGroup{f, p, text}, nil
		}
		f.Close()
	}
	return nil, fmt.Errorf("proc: %s: %w", p.path(), errNoGroup)
}

// Left says whether the process is in another group by now.
func (g *PerfGroup) Left() bool {
	text, err := g.target.read("cgroup")
	return err == nil && string(text) != string(g.text)
}

// perfFolders are where the folder may be: of version 1 that of the controller, else of version 2, which may be mounted below those of
// version 1.
func perfFolders(text string) []string {
	const root = "/sys/fs/cgroup"
	var at string
	mounts := []string{root, root + "/unified"}
	for line := range strings.Lines(text) { // 0::/a/b, or 4:perf_event:/a/b
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 {
			continue
		}
		if strings.Contains(","+f[1]+",", ",perf_event,") {
			at, mounts = f[2], []string{path.Join(root, f[1]), root + "/perf_event"}
			break
		}
		if f[1] == "" {
			at = f[2]
		}
	}
	if at == "" || strings.HasPrefix(at, "/..") || path.Clean(at) == "/" {
		return nil
	}
	for i := range mounts {
		mounts[i] = path.Join(mounts[i], path.Clean("/"+at))
	}
	return mounts
}

// alone says whether a folder is that of the group which the whole process is in.
func (p *Process) alone(dir string) bool {
	if kind := file(dir, "cgroup.type"); kind != "" && kind != "domain" { // of version 2: else threads may be elsewhere
		return false
	}
	f, err := os.Open(path.Join(dir, "cgroup.procs"))
	if err != nil {
		return false
	}
	defer f.Close()
	lines, own := bufio.NewScanner(io.LimitReader(f, maxGroupProcs)), strconv.Itoa(p.pid)
	for lines.Scan() {
		if lines.Text() == own {
			return true
		}
	}
	return false
}
