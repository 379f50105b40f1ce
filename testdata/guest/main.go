// Command guest is the first process of a virtual machine that runs tests (internal/kernels): it mounts what a Linux
// system has, brings loopback up, executes what /plan says and powers the machine off.
//
// A line of /plan is "FOLDER TIMEOUT PROGRAM ARGUMENT ...", or "NAME=VALUE" for the environment of what follows. What the
// programs print goes to the console, between "@@ run PROGRAM" and "@@ done PROGRAM: ERROR"; "@@ off" is the last line.
// Executed as sleep it is that: programs and tests want one.
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

func main() {
	if filepath.Base(os.Args[0]) == "sleep" {
		d, _ := time.ParseDuration(os.Args[1] + "s")
		time.Sleep(d)
		return
	}
	for _, m := range [][2]string{
		{"/proc", "proc"}, {"/sys", "sysfs"}, {"/dev", "devtmpfs"}, {"/tmp", "tmpfs"}, {"/run", "tmpfs"}, {"/dev/shm", "tmpfs"},
		{"/sys/kernel/security", "securityfs"}, {"/sys/kernel/debug", "debugfs"}, {"/sys/kernel/tracing", "tracefs"},
		{"/sys/fs/cgroup", "cgroup2"}, {"/sys/fs/bpf", "bpf"},
	} {
		os.MkdirAll(m[0], 0o755)
		report(m[0], syscall.Mount(m[1], m[0], m[1], 0, ""))
	}
	report("/tmp", os.Chmod("/tmp", 0o1777))
	report("cpu controller", os.WriteFile("/sys/fs/cgroup/cgroup.subtree_control", []byte("+cpu"), 0))
	report("loopback", loopback())
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	report("release", err)
	fmt.Printf("\n@@ up %s", release)
	plan, err := os.ReadFile("/plan")
	report("plan", err)
	for _, line := range strings.Split(strings.TrimSpace(string(plan)), "\n") {
		step(strings.Fields(line))
	}
	fmt.Println("@@ off")
	syscall.Sync()
	time.Sleep(100 * time.Millisecond) // for the console
	report("power off", syscall.Reboot(syscall.LINUX_REBOOT_CMD_POWER_OFF))
	select {} // the end of the first process is a panic
}

func step(line []string) {
	if name, value, ok := strings.Cut(line[0], "="); ok {
		os.Setenv(name, value)
		return
	}
	limit, err := time.ParseDuration(line[1])
	report(line[1], err)
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	name := filepath.Base(line[2])
	cmd := exec.CommandContext(ctx, line[2], line[3:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = line[0], os.Stdout, os.Stderr, time.Second
	fmt.Printf("@@ run %s\n", name)
	start := time.Now()
	err = cmd.Run()
	fmt.Printf("@@ done %s after %.0f s: %v\n", name, time.Since(start).Seconds(), err)
}

func report(what string, err error) {
	if err != nil {
		fmt.Printf("guest: %s: %v\n", what, err)
	}
}

// loopback brings the interface lo up (netdevice(7)).
func loopback() error {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(fd)
	request := struct { // struct ifreq
		name  [syscall.IFNAMSIZ]byte
		flags uint16
		_     [22]byte
	}{name: [syscall.IFNAMSIZ]byte{'l', 'o'}, flags: syscall.IFF_UP}
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), syscall.SIOCSIFFLAGS, uintptr(unsafe.Pointer(&request)))
	if errno != 0 {
		return errno
	}
	return nil
}
