package run

import (
	"syscall"
	"unsafe"
)

// Unreadable is a string in a page of memory that nobody can read: a userfaultfd is registered for it and never served, so that
// whoever touches it waits until the program ends. The error is that of a kernel that does not allow it.
func Unreadable() (string, error) {
	b, errno := unreadablePage()
	if errno != 0 {
		return "", errno
	}
	return inPage(b), nil
}

const pageSize = 4096

// The ioctls and structs of linux/userfaultfd.h.
const (
	uffdAPI     = 0xaa
	ioctlAPI    = 0xc018aa3f
	ioctlReg    = 0xc020aa00
	modeMissing = 1
)

type uffdioAPI struct{ api, features, ioctls uint64 }

type uffdioRegister struct{ start, len, mode, ioctls uint64 }

// unreadablePage is memory that blocks.
func unreadablePage() ([]byte, syscall.Errno) {
	b, err := syscall.Mmap(-1, 0, pageSize, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	Check(err)
	fd, _, errno := syscall.Syscall(sysUserfault, syscall.O_CLOEXEC, 0, 0)
	if errno != 0 {
		return nil, errno
	}
	a := uffdioAPI{api: uffdAPI}
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, fd, ioctlAPI, uintptr(unsafe.Pointer(&a))); errno != 0 {
		return nil, errno
	}
	r := uffdioRegister{start: uint64(uintptr(unsafe.Pointer(&b[0]))), len: pageSize, mode: modeMissing}
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, fd, ioctlReg, uintptr(unsafe.Pointer(&r))); errno != 0 {
		return nil, errno
	}
	return b, 0
}

// inPage is a string in the page. Nobody here may read it.
func inPage(b []byte) (s string) {
	h := (*struct {
		data unsafe.Pointer
		len  int
	})(unsafe.Pointer(&s))
	h.data, h.len = unsafe.Pointer(&b[0]), 100
	return s
}
