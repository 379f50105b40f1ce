package bpf

import (
	"fmt"
	"strconv"
	"strings"
)

const maxCPUs = 1 << 13 // NR_CPUS of the largest kernels

// parseCPUs reads the kernel's list format: "0-3,8" (Documentation/admin-guide/cputopology.rst).
func parseCPUs(list string) ([]int, error) {
	var cpus []int
	for part := range strings.SplitSeq(list, ",") {
		first, last, span := strings.Cut(part, "-")
		lo, err := strconv.Atoi(first)
		hi := lo
		if err == nil && span {
			hi, err = strconv.Atoi(last)
		}
		if err != nil || lo < 0 || hi < lo || hi >= maxCPUs {
			return nil, fmt.Errorf("%q is no list of CPUs", list)
		}
		for cpu := lo; cpu <= hi; cpu++ {
			cpus = append(cpus, cpu)
		}
	}
	return cpus, nil
}
