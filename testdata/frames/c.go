//go:build cgo

package main

/*
#cgo LDFLAGS: -ldl
#define _GNU_SOURCE
#include <dlfcn.h>

int frames_twice(int n) { return 2 * n; }

// What a C++ compiler makes of: template <class T> int space::thrice(T, int).
int frames_thrice(int n) __asm__("_ZN5space6thriceIiEEiT_i");
int frames_thrice(int n) { return 3 * n; }

static void *twice(void) { return (void *)frames_twice; }
static void *thrice(void) { return (void *)frames_thrice; }
static void *libc(void) { return dlsym(RTLD_DEFAULT, "getpid"); }
*/
import "C"

import "fmt"

func init() {
	more = fmt.Sprintf(" c=%x cxx=%x libc=%x", C.twice(), C.thrice(), C.libc())
}
