package bpf

// The objects are committed, so that building needs neither clang nor headers. To regenerate:
// clang-19, llvm-19, libbpf-dev and linux-libc-dev, then go generate ./internal/source/bpf.
// v1 and v3 are the instruction sets that programs are compiled to.
//go:generate -command v1 go tool bpf2go -cc clang-19 -target amd64,arm64 -cflags "-Wall -Werror -I/usr/include/x86_64-linux-gnu"
//go:generate -command v3 go tool bpf2go -cc clang-19 -target amd64,arm64 -cflags "-mcpu=v3 -Wall -Werror -I/usr/include/x86_64-linux-gnu"
//go:generate v1 -type record -type span -type record_flags -type counters oncpu oncpu.bpf.c
//go:generate v3 -type thread -type thread_states -type cost sched sched.bpf.c
//go:generate v3 -type call calls calls.bpf.c
//go:generate v3 host host.bpf.c
//go:generate v3 -type set_record -type exact_counters -type kinds -type who -type total exact exact.bpf.c
//go:generate v3 -type arrival arrivals arrivals.bpf.c
