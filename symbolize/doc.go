// Package symbolize turns addresses of a running Linux process into functions, files and lines,
// inlined calls included.
//
// # Why not an existing tool
//
// A profiler of Go programs meets binaries without DWARF and without symbols. What no linker can
// strip is pclntab, the table that the Go runtime itself needs for its tracebacks; it knows the
// inlined calls, and this package reads it. debug/gosym and everything built on it read the same
// table, but not the inline trees: a fifth of all addresses in a Go program lie in inlined code,
// and for those they name the outer function with the inner one's line. They also take the start
// of .text for the start of Go's code, which is wrong in every binary with C in it.
//
// # How an address is resolved
//
// An address belongs to a mapping of the process, a mapping to a file, and the file was linked
// for other addresses than it was loaded at:
//
//	link address = address - Start + Offset + (p_vaddr - p_offset)
//
// where Start and Offset are those of the mapping and the p_ fields those of the segment that
// holds Offset. Then, in this order: the vdso; the pclntab of the file; its ELF symbols (C, C++,
// Rust; demangled); and when all fail a synthetic name like "[libfoo.so]+0x1234". Loss is thus
// visible and never an empty line. Kernel addresses go by /proc/kallsyms.
//
// # What is read, and when
//
// New opens the files of all executable mappings and keeps them open, so that deleting or
// replacing a binary, or the end of the process, does no harm to what comes later. It reads the
// headers and the function index, some hundred kilobytes, and no more. Names and line tables are
// read on demand through a cache of 8 MiB, ELF symbols of a file when an address needs them, and
// kernel symbols at the first kernel address.
//
// Everything that is read is hostile: a process can map what it likes, and we may run as root.
//
// Binary does the Go part alone, offline, for any file.
package symbolize
