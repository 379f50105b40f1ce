//go:build linux && (amd64 || arm64)

package bpf

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/features"
	"golang.org/x/sys/unix"

	"github.com/mayfly-profiler/mayfly/internal/proc"
)

// initPIDNamespace is the inode of the initial PID namespace (include/linux/proc_ns.h,
// PROC_PID_INIT_INO).
const initPIDNamespace = 0xEFFFFFFC

// setTarget tells a program which process to look for.
func setTarget(spec *ebpf.CollectionSpec, pid int) error {
	stack := spec.Variables["stack_size"] // THREAD_SIZE: 16 KiB, or a page where those are larger
	if err := stack.Set(uint64(max(16384, os.Getpagesize()))); err != nil {
		return err
	}
	var ns unix.Stat_t
	if err := unix.Stat("/proc/self/ns/pid", &ns); err != nil {
		return err
	}
	if ns.Ino == initPIDNamespace {
		return errors.Join(
			spec.Variables["target_tgid"].Set(uint32(pid)),
			spec.Variables["target_pid"].Set(uint32(pid)))
	}
	return errors.Join(
		spec.Variables["target_pid"].Set(uint32(pid)),
		spec.Variables["ns_dev"].Set(uint64(ns.Dev)),
		spec.Variables["ns_ino"].Set(ns.Ino))
}

// loadError finds the reason behind a refusal: the kernel itself says EPERM or EINVAL and no more.
func loadError(err error) error {
	if outOfFiles() {
		return fmt.Errorf("load eBPF: %w (raise the limit of open files: ulimit -n)", unix.EMFILE)
	}
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		rights, _ := proc.HostRights()
		return fmt.Errorf("load eBPF: %w: %s", fs.ErrPermission, loadRights(rights))
	}
	if errors.Is(err, btf.ErrNotFound) {
		return fmt.Errorf("load eBPF: %w: this kernel has no BTF (CONFIG_DEBUG_INFO_BTF, /sys/kernel/btf/vmlinux)", errors.ErrUnsupported)
	}
	if features.HaveMapType(ebpf.RingBuf) != nil {
		return fmt.Errorf("load eBPF: %w: this kernel has no ring buffers (Linux 5.8)", errors.ErrUnsupported)
	}
	return fmt.Errorf("load eBPF: %w", err)
}

// outOfFiles says whether so few file descriptors are left that loading fails for want of them. The error does not always say so:
// what the library tries out about the kernel fails for the same reason, and it reports what it concludes from that.
func outOfFiles() bool {
	const needed = 32
	var fds []int
	defer func() {
		for _, fd := range fds {
			unix.Close(fd)
		}
	}()
	for range needed {
		fd, err := unix.Open("/", unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE)
		}
		fds = append(fds, fd)
	}
	return false
}
