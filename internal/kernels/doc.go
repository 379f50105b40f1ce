// Package kernels runs the tests of the kernel's ring on the kernels that people have: Debian's, of amd64 and arm64, in
// virtual machines without hardware support (make kernels). What they said is in docs/kernels.md.
//
// A machine's only files are those of an archive in memory: this repository's own binaries, the programs of testdata, and
// testdata/guest as the first process. Emulation is slow and its clock uneven: what is a matter of rates and shares of time
// is skipped there (target.NeedCPU).
package kernels
