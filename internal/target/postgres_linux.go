package target

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// Postgres starts a PostgreSQL of the test's own on loopback and returns its DSN; the server ends
// with the test. The error is an *UnavailableError: none is installed, or nobody is there to run it.
func Postgres(t testing.TB) (dsn string, err error) {
	t.Helper()
	as, err := servant()
	if err != nil {
		return "", err
	}
	server, err := find("postgres")
	if err != nil {
		return "", err
	}
	dir := cluster(t, as)
	port := free(t)
	db := exec.Command(server, "-D", filepath.Join(dir, "data"), "-p", strconv.Itoa(port), "-k", dir,
		"-c", "listen_addresses=127.0.0.1", "-c", "fsync=off")
	db.SysProcAttr, db.Dir = as, dir
	if err := db.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		db.Process.Signal(syscall.SIGQUIT) // at once
		db.Wait()
	})
	dsn = fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres", port)
	answers(t, dsn)
	return dsn, nil
}

// cluster makes the folder that the server keeps its data in, below what it returns.
func cluster(t testing.TB, as *syscall.SysProcAttr) string {
	t.Helper()
	initdb, err := find("initdb")
	check(t, err)
	dir, err := os.MkdirTemp("", "mayfly-postgres-") // not t.TempDir: its parents are closed to others
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if as != nil {
		if err := os.Chown(dir, int(as.Credential.Uid), int(as.Credential.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	run := exec.Command(initdb, "-D", filepath.Join(dir, "data"), "-A", "trust", "-U", "postgres", "-N")
	run.SysProcAttr, run.Dir = as, dir
	if out, err := run.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	return dir
}

// find looks for a program of PostgreSQL in the path and where Debian keeps it.
func find(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err == nil {
		return path, nil
	}
	paths, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if len(paths) == 0 {
		return "", &UnavailableError{"PostgreSQL", err}
	}
	return paths[len(paths)-1], nil
}

// servant is who the server runs as: it refuses to be root.
func servant() (*syscall.SysProcAttr, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		if u, err := user.Lookup(name); err == nil {
			uid, _ := strconv.Atoi(u.Uid)
			gid, _ := strconv.Atoi(u.Gid)
			if uid != 0 {
				return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
			}
		}
	}
	return nil, &UnavailableError{"user for PostgreSQL", errors.New("neither postgres nor nobody")}
}

func free(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// answers waits until the server does.
func answers(t testing.TB, dsn string) {
	t.Helper()
	ready, err := find("pg_isready")
	check(t, err)
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		out, err := exec.CommandContext(t.Context(), ready, "-d", dsn).CombinedOutput()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("PostgreSQL does not answer: %v: %s", err, out)
		}
	}
}
