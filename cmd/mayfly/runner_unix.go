//go:build unix

package main

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"
	"syscall"
)

// A command is started as the user who starts mayfly, which is root under sudo, as perf, strace and bpftrace do; --user says
// otherwise, like strace's -u. The child stays root until it is let go, so that it needs no right to execute mayfly.

// lookUpRunner returns the ids of a user and its groups as become wants them: "UID GID,GID...", the first being the main one;
// "" for nobody else than us.
func lookUpRunner(name string) (string, error) {
	if name == "" {
		return "", nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return "", fmt.Errorf("--user %s: %w", name, err)
	}
	groups, err := u.GroupIds()
	if err != nil {
		return "", fmt.Errorf("--user %s: %w", name, err)
	}
	return u.Uid + " " + strings.Join(append([]string{u.Gid}, groups...), ","), nil
}

// become gives up all rights but those of the user.
func become(runner string) error {
	if runner == "" {
		return nil
	}
	uid, list, _ := strings.Cut(runner, " ")
	var groups []int
	for text := range strings.SplitSeq(list, ",") {
		gid, err := strconv.Atoi(text)
		if err != nil {
			return err
		}
		groups = append(groups, gid)
	}
	id, err := strconv.Atoi(uid)
	if err != nil {
		return err
	}
	if err := syscall.Setgroups(groups); err != nil {
		return os.NewSyscallError("setgroups", err)
	}
	if err := syscall.Setgid(groups[0]); err != nil {
		return os.NewSyscallError("setgid", err)
	}
	return os.NewSyscallError("setuid", syscall.Setuid(id))
}
