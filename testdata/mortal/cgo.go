//go:build cgo

package main

/*
#cgo LDFLAGS: -lpthread
#include <pthread.h>

extern void lived(long ns);

static void *start(void *ns) {
	lived((long)ns);
	return 0;
}

static int thread(long ns) {
	pthread_t t;
	int err = pthread_create(&t, 0, start, (void *)ns);
	return err ? err : pthread_join(t, 0);
}
*/
import "C"

import "time"

func init() {
	inC = func(work time.Duration) {
		if err := C.thread(C.long(work)); err != 0 {
			panic(err)
		}
	}
}

//export lived
func lived(ns C.long) { live(time.Duration(ns)) }
